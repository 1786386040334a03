"""System checks of ``manage.py check``: the settings of Keyturn, and the middleware of the project."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from keyturn import ConfigurationError
from keyturn.integrations.django.project import integration

MIDDLEWARE = "keyturn.integrations.django.middleware.KeyturnMiddleware"
USERS = "keyturn.integrations.django.users.UserMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_project(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the project."""
    return [*_check_settings(), *_check_middleware(list(settings.MIDDLEWARE))]


def _check_settings() -> Iterator[CheckMessage]:
    try:
        integration()
    except ConfigurationError as error:
        yield Error(f"settings.KEYTURN: {error}", id="keyturn.E001")


def _check_middleware(names: list[str]) -> Iterator[CheckMessage]:
    if MIDDLEWARE not in names:
        hint = f"Add {MIDDLEWARE!r} to MIDDLEWARE: it answers the refusals of views, which are a 500 without it."
        yield Error("The middleware of Keyturn is missing.", hint, id="keyturn.E002")
    if USERS in names and AUTHENTICATION in names[names.index(USERS) :]:
        hint = f"Move {USERS!r} behind {AUTHENTICATION!r}, which replaces request.user otherwise."
        yield Error("request.user is not the user of the Keyturn session.", hint, id="keyturn.E003")
    if USERS in names and "ACCOUNTS" not in getattr(settings, "KEYTURN", {}):
        hint = (
            "Set KEYTURN['ACCOUNTS'] to 'keyturn.integrations.django.accounts.UserAccounts', or to accounts of yours."
        )
        yield Warning("UserMiddleware loads users of the accounts, and KEYTURN names none.", hint, id="keyturn.W001")

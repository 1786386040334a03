"""The settings and accounts of the project, for the command line of Keyturn."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from keyturn.integrations.django.project import issuer_settings


def operator_settings() -> dict[str, str]:
    """Return the settings of the project's issuer as the environment has them."""
    given = _configuration()
    of_instance = getattr(given.get("instance"), "settings", None)
    if of_instance is None:
        return issuer_settings(given)
    found = {name: getattr(of_instance, name) for name in of_instance.__struct_fields__}
    defaults = type(of_instance)()
    return {name: str(value) for name, value in found.items() if value != getattr(defaults, name)}


def project_accounts() -> object:
    """Return the accounts of the project, a class or an object; None if Keyturn keeps them."""
    given = _configuration()
    if "instance" in given:
        return getattr(given["instance"], "application_accounts", None)
    accounts = given.get("accounts")
    return import_string(accounts) if isinstance(accounts, str) else accounts


def _configuration() -> dict[str, Any]:
    return {name.lower(): value for name, value in getattr(settings, "KEYTURN", {}).items()}

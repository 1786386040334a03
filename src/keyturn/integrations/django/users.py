"""``request.user`` is the user of the Keyturn session; ``login()`` and ``logout()`` of Django open and end sessions."""

from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # pyright: ignore[reportDeprecated]
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from keyturn import Refusal
from keyturn.core.types import Subject
from keyturn.errors import TokenRevoked
from keyturn.integrations.django.middleware import GetResponse
from keyturn.integrations.django.pages import defer_cookies
from keyturn.integrations.django.project import integration, issuer, set_user
from keyturn.integrations.django.refusals import is_refused, set_refusal

_USERS = "keyturn.users"
_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


class UserMiddleware:
    """Put it behind ``KeyturnMiddleware`` and ``AuthenticationMiddleware``, whose ``request.user`` it replaces."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        user_logged_in.connect(add_user_session, dispatch_uid="keyturn")
        user_logged_out.connect(end_user_session, dispatch_uid="keyturn")
        if iscoroutinefunction(get_response):  # pyright: ignore[reportDeprecated]
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Give the request its user, which is loaded on first use."""
        request.META[_USERS] = True
        set_user(request, partial(load_user, request))
        return self._get_response(request)


def load_user(request: HttpRequest) -> Any:
    """Return the user of a request, or ``AnonymousUser``.

    A credential that an optional view would refuse is of no user, and the request is answered with the refusal: Django
    makes a 500 of what a middleware raises that reads the user. In a view that requires a login, the refusal of a user
    that is inactive or deleted is raised.
    """
    if is_refused(request):
        return AnonymousUser()
    auth = integration()
    try:
        principal = auth.identify(request.META, None)
    except Refusal as refusal:
        set_refusal(request, refusal)
        return AnonymousUser()
    try:
        return AnonymousUser() if principal is None else auth.load_user(request.META, principal)
    except TokenRevoked:
        if getattr(request, "principal", None) is not None:
            raise
        return AnonymousUser()


def add_user_session(request: HttpRequest, user: Any, **_: object) -> None:
    """Open a Keyturn session for a user whom ``login()`` of Django let in. Raises refusals."""
    if _USERS not in request.META:
        return
    amr = ("pwd",) if getattr(user, "backend", "") == _MODEL_BACKEND else ()
    pages = integration().pages
    issued = issuer().open_session(
        Subject(str(user.pk)),
        amr=amr,
        deliver="cookie",
        client=pages.client(request.META),
        replaces=pages.previous_logins(request.META),
    )
    defer_cookies(request, pages.login_cookies(issued))


def end_user_session(request: HttpRequest, **_: object) -> None:
    """End the Keyturn session of a request that ``logout()`` of Django ends."""
    if _USERS in request.META and _end_session(request):
        defer_cookies(request, integration().pages.logout_cookies())


def _end_session(request: HttpRequest) -> bool:
    """End the session of a request. Return False for an anonymous one, or a credential that is refused."""
    try:
        principal = integration().identify(request.META, None)
    except Refusal:
        return False
    if principal is not None:
        issuer().logout(principal.sid)
    return principal is not None

"""Pages of the project: cookies of logins of its own, and the hidden token of forms."""

from collections.abc import Iterable
from typing import TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from keyturn.integrations.django.project import integration
from keyturn.web.wsgi_integration import IssuedCredentials

_Response = TypeVar("_Response", bound=HttpResponseBase)
_COOKIES = "keyturn.cookies"


def add_login(response: _Response, issued: IssuedCredentials) -> _Response:
    """Add the cookies of a login to a response. ``issued``: what a method of the issuer returned."""
    return _add_cookies(response, integration().pages.login_cookies(issued))


def add_logout(response: _Response) -> _Response:
    """Delete the login cookies by a response. Revoke the session first."""
    return _add_cookies(response, integration().pages.logout_cookies())


def form_csrf_token(request: HttpRequest) -> str:
    """Return the hidden field ``csrf_token`` of each form of this page. The middleware adds the cookies it needs."""
    token = integration().form_token(request.META)
    defer_cookies(request, token.cookies)
    return token.token.reveal()


def context(request: HttpRequest) -> dict[str, object]:
    """Return the context of templates (a context processor): ``keyturn_csrf_token``, which is made when it is shown."""
    return {"keyturn_csrf_token": SimpleLazyObject(lambda: form_csrf_token(request))}


def defer_cookies(request: HttpRequest, cookies: Iterable[str]) -> None:
    """Let the middleware add cookies to the response, whatever view makes it."""
    request.META[_COOKIES] = (*request.META.get(_COOKIES, ()), *cookies)


def add_pending_cookies(request: HttpRequest, response: _Response) -> _Response:
    """Add the cookies that ``defer_cookies`` was called with."""
    return _add_cookies(response, request.META[_COOKIES]) if _COOKIES in request.META else response


def _add_cookies(response: _Response, cookies: Iterable[str]) -> _Response:
    for each in cookies:
        response.cookies.load(each)
    response.headers["Cache-Control"] = "no-store"
    return response

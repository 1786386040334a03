"""Django Ninja: an authenticator for ``auth=``, and refusals as responses of an API."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.base import AuthBase

from keyturn import Principal, Refusal
from keyturn.integrations.django.project import environ_of, integration, response_of, set_user, user_loader
from keyturn.web.wsgi_integration import Requirement


class KeyturnAuth(AuthBase):
    """Authenticator of an operation, a router or an API. ``request.auth`` is the principal.

    ``request.user``, or ``await request.auser()``, is the user of the accounts of the project, if it keeps any. It is
    loaded on first use.
    ``scopes``: all of them. ``fresh``: oldest authentication, in seconds.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *scopes: str, fresh: int | None = None) -> None:
        self._requirement = Requirement(scopes, fresh)
        super().__init__()

    def __call__(self, request: HttpRequest) -> Principal:
        """Return the principal. Raises refusals."""
        principal = cast(Principal, integration().identify(request.META, self._requirement))
        load = user_loader(request, principal)
        if load is not None:
            set_user(request, load)
        return principal


def add_refusals(api: NinjaAPI) -> None:
    """Let an API answer refusals. Another handler of the same or a narrower class may replace it."""

    def answer(request: HttpRequest, refusal: Refusal | type[Refusal]) -> HttpResponse:
        return response_of(integration().refuse(cast(Refusal, refusal), environ_of(request)))

    api.add_exception_handler(Refusal, answer)

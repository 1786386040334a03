"""Django Ninja: an authenticator for ``auth=``, and refusals as responses of an API."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.base import AuthBase

from keyturn import Principal, Refusal
from keyturn.integrations.django.project import environ_of, integration, response_of
from keyturn.web.wsgi_integration import Requirement


class KeyturnAuth(AuthBase):
    """Authenticator of an operation, a router or an API. ``request.auth`` is the principal.

    ``scopes``: all of them. ``fresh``: oldest authentication, in seconds.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *scopes: str, fresh: int | None = None) -> None:
        self._requirement = Requirement(scopes, fresh)
        super().__init__()

    def __call__(self, request: HttpRequest) -> Principal | None:
        """Return the principal. Raises refusals."""
        return integration().identify(request.META, self._requirement)


def add_refusals(api: NinjaAPI) -> None:
    """Let an API answer refusals. Another handler of the same or a narrower class may replace it."""

    def answer(request: HttpRequest, refusal: Refusal | type[Refusal]) -> HttpResponse:
        return response_of(integration().refuse(cast(Refusal, refusal), environ_of(request)))

    api.add_exception_handler(Refusal, answer)

"""Base of the integrations of WSGI frameworks: authentication, endpoints, refusals and pages of one application."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

import keyturn
from keyturn.core.principal import Principal
from keyturn.errors import ConfigurationError, NotFound, Refusal
from keyturn.flows import IssuedCredentials
from keyturn.verifier import Verifier
from keyturn.web.application import IssuerLike
from keyturn.web.auth import PRINCIPAL, Requirement
from keyturn.web.message import Reply
from keyturn.web.pages import WsgiPages
from keyturn.web.routes import ROUTES
from keyturn.web.wsgi import WsgiEndpoints, text_headers
from keyturn.web.wsgi_auth import WsgiAuth

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

__all__ = [
    "METHODS",
    "OVERRIDE",
    "IssuedCredentials",
    "IssuerLike",
    "Options",
    "Reply",
    "Requirement",
    "WsgiIntegration",
    "current_principal",
    "text_headers",
]

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""Methods that a framework has to pass to the endpoints, which refuse those that a path does not take."""

OVERRIDE = "keyturn.override"
"""Key of the environment by which a test of an application names the principal of its request.

A client cannot set it: a server writes headers to keys that begin with ``HTTP_``, and texts only.
"""

_BELOW = "/auth/"


class Options(TypedDict, total=False):
    """Options of an integration.

    ``login_page``, ``step_up_page``: as ``WsgiPages``; without the first, a browser is refused like any other client.
    ``trusted_origins``: as ``WsgiAuth``.
    """

    login_page: str
    step_up_page: str
    trusted_origins: tuple[str, ...]


class WsgiIntegration(WsgiAuth):
    """Authentication, endpoints, refusals and pages of one application.

    ``issuer``, ``verifier``: at most one of them; by default an ``Issuer.from_env`` with ``settings``.
    ``paths``: of the endpoints, and empty for a resource server. One that ends with a slash stands for every path below
    it. Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        issuer: IssuerLike | None = None,
        verifier: Verifier | None = None,
        options: Options | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if issuer is None and verifier is None:
            issuer = keyturn.Issuer.from_env(**settings or {})
        options = options or {}
        super().__init__(issuer, verifier, trusted_origins=options.get("trusted_origins", ()))
        self.paths: tuple[str, ...] = ()
        self._pages: WsgiPages | None = None
        self._endpoints: WsgiEndpoints | None = None
        self._has_login_page = "login_page" in options
        if issuer is not None:
            self._endpoints = WsgiEndpoints(issuer)
            self._pages = WsgiPages(issuer, options.get("login_page", "/login"), options.get("step_up_page", ""))
            self.paths = tuple(dict.fromkeys(_BELOW if _BELOW in each.path else each.path for each in ROUTES))

    @property
    def pages(self) -> WsgiPages:
        """Support for the application's own pages. Raises ``ConfigurationError`` at a resource server."""
        if self._pages is None:
            raise ConfigurationError("a resource server takes no cookies and has no forms: they need an issuer")
        return self._pages

    def authenticate(self, environ: "WSGIEnvironment", *, optional: bool = False) -> Principal | None:
        """Return the principal of a request. Arguments and refusals are those of ``AsgiAuth.authenticate``."""
        given = environ.get(OVERRIDE)
        return given if isinstance(given, Principal) else super().authenticate(environ, optional=optional)

    def identify(self, environ: "WSGIEnvironment", requirement: Requirement | None) -> Principal | None:
        """Store the principal of a request in its environment, and return it.

        ``requirement``: of the route; None for one that is for anonymous requests, too. Raises as ``WsgiAuth``.
        """
        is_optional = requirement is None
        found = self.authenticate(environ, optional=True) if is_optional else self.require(environ, requirement)
        environ[PRINCIPAL] = found
        return found

    def answer(self, environ: "WSGIEnvironment") -> Reply:
        """Answer a request of an endpoint."""
        if self._endpoints is None:
            return self.refuse(NotFound("a resource server has no endpoints"), environ)
        return self._endpoints.answer(environ)

    def refuse(self, refusal: Refusal, environ: "WSGIEnvironment") -> Reply:
        """Return the reply to a request that was refused. A browser that asked for a page is sent to the login page."""
        pages = self._pages if self._has_login_page else None
        redirect = None if pages is None else pages.redirect(environ, refusal)
        return redirect or self.reply(refusal, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))


def current_principal(environ: "WSGIEnvironment") -> Principal | None:
    """Return the principal that ``identify`` stored. Raises ``RuntimeError`` if it was not called."""
    if PRINCIPAL not in environ:
        raise RuntimeError("this request was not authenticated: decorate its view with required or optional")
    return cast("Principal | None", environ[PRINCIPAL])

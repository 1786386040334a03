"""Base of the integrations of WSGI frameworks: authentication, endpoints, refusals and pages of one application."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import urlsplit

import keyturn
from keyturn.core.cors import VARY, cors_headers
from keyturn.core.principal import Principal
from keyturn.errors import ConfigurationError, NotFound, Refusal
from keyturn.flows import IssuedCredentials
from keyturn.verifier import Verifier
from keyturn.web.application import IssuerLike
from keyturn.web.auth import PRINCIPAL, Requirement
from keyturn.web.config import DEFAULT_PREFIX
from keyturn.web.cors import origin_values, preflight_reply
from keyturn.web.form_token import FormToken
from keyturn.web.message import Reply
from keyturn.web.pages import WsgiPages
from keyturn.web.users import loaded_users, require_principal, require_user
from keyturn.web.wsgi import WsgiEndpoints, cors_request_headers, start_reply, text_headers
from keyturn.web.wsgi_auth import WsgiAuth
from keyturn.web.wsgi_streams import StreamGuard, SyncConnector, stream_guard

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from keyturn import Issuer as Issuer  # needs extras that a verifier does not

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

_FORM_TOKENS = "keyturn.form_tokens"

OVERRIDE = "keyturn.override"
"""Key of the environment by which a test of an application names the principal of its request.

A client cannot set it: a server writes headers to keys that begin with ``HTTP_``, and texts only.
"""


class Options(TypedDict, total=False):
    """Options of an integration.

    ``prefix``: path of the endpoints; default: ``/auth``.
    ``login_page``, ``step_up_page``: as ``WsgiPages``; without the first, a browser is refused like any other client.
    ``trusted_origins``: as ``WsgiAuth``. ``verifier``: of a resource server, which accepts bearer tokens only and has
    no endpoints.
    """

    verifier: Verifier | None
    prefix: str
    login_page: str
    step_up_page: str
    trusted_origins: tuple[str, ...]


class WsgiIntegration(WsgiAuth):
    """Authentication, endpoints, refusals and pages of one application.

    ``issuer``: by default an ``Issuer.from_env`` with ``settings``, unless the options name a verifier.
    ``rules``: of the endpoints, as Flask and Django write URLs; empty for a resource server.
    Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        issuer: IssuerLike | None = None,
        options: Options | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        options = options or {}
        verifier = options.get("verifier")
        if issuer is None and verifier is None:
            issuer = keyturn.Issuer.from_env(**settings or {})
        origins = options.get("trusted_origins", ())
        super().__init__(issuer, verifier, trusted_origins=origins)
        self.rules: tuple[str, ...] = ()
        self._pages: WsgiPages | None = None
        self._endpoints: WsgiEndpoints | None = None
        self._connector = cast(SyncConnector, issuer or verifier)
        self._has_login_page = "login_page" in options
        self._has_origins = bool(self.origins.sites or self.origins.apps)
        if issuer is not None:
            prefix = options.get("prefix", DEFAULT_PREFIX)
            self._endpoints = WsgiEndpoints(issuer, prefix=prefix, trusted_origins=origins)
            self._error_page = self._endpoints.config.error_page
            below = urlsplit(self._endpoints.config.route_url("/auth/")).path
            others = (each for each in self._endpoints.paths if not each.startswith(below))
            self.rules = (f"{below}<path:below>", *others)
            self._pages = WsgiPages(issuer, options.get("login_page", "/login"), options.get("step_up_page", ""))

    @property
    def issuer(self) -> "Issuer":
        """The issuer. Raises ``ConfigurationError`` at a resource server."""
        if self._source is None:
            raise ConfigurationError("a resource server has a verifier, and no issuer")
        return cast("Issuer", self._source)

    @property
    def has_own_accounts(self) -> bool:
        """True for an issuer over accounts of the application."""
        return self._source is not None and self._source.config.has_own_accounts

    @property
    def pages(self) -> WsgiPages:
        """Support for the application's own pages. Raises ``ConfigurationError`` at a resource server."""
        if self._pages is None:
            raise ConfigurationError("a resource server takes no cookies and has no forms: they need an issuer")
        return self._pages

    def authenticate_cached(self, environ: "WSGIEnvironment") -> Principal | None:
        """Return the principal that a test named, or that of a credential that was accepted before. Never blocks."""
        given = environ.get(OVERRIDE)
        return given if isinstance(given, Principal) else super().authenticate_cached(environ)

    def identify(self, environ: "WSGIEnvironment", requirement: Requirement | None) -> Principal | None:
        """Store the principal of a request in its environment, and return it.

        ``requirement``: of the route; None for one that is for anonymous requests, too. Raises as ``WsgiAuth``.
        """
        found = self.authenticate_cached(environ) or self._authenticate(environ, optional=requirement is None)
        if requirement is not None:
            found = self._check(found, requirement)
        environ[PRINCIPAL] = found
        return found

    def identify_cached(self, environ: "WSGIEnvironment", requirement: Requirement | None) -> Principal | None:
        """Identify the caller by a cached credential, else return None: then ``identify``, which may block."""
        found = self.authenticate_cached(environ)
        if found is not None:
            environ[PRINCIPAL] = found = self._check(found, requirement)
        return found

    def load_user(self, environ: "WSGIEnvironment", principal: Principal | None) -> Any:
        """Return the application's own object of a principal. As ``AsgiIntegration.load_user``."""
        subject, loaded = require_principal(principal).subject, loaded_users(environ, self)
        if subject not in loaded:
            loaded[subject] = self.issuer.parts.load_user(subject)
        return require_user(loaded[subject])

    def form_token(self, environ: "WSGIEnvironment") -> FormToken:
        """Return the token for every form of a page. Raises as ``AsgiPages.form_token``."""
        tokens: dict[WsgiIntegration, FormToken] = environ.setdefault(_FORM_TOKENS, {})
        if self not in tokens:
            # A browser keeps one cookie: with another one per form, only the last form of a page would be valid.
            tokens[self] = self.pages.form_token(environ)
        return tokens[self]

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

    def preflight(self, environ: "WSGIEnvironment") -> Reply | None:
        """Return the reply to a CORS preflight of a trusted origin, else None."""
        if not self._has_origins:
            return None
        return preflight_reply(environ["REQUEST_METHOD"], cors_request_headers(environ), self.origins)

    def cors_headers(self, environ: "WSGIEnvironment", present: Iterable[str]) -> list[tuple[str, str]]:
        """Return the CORS headers to add to a response of the application. ``present``: names of its headers."""
        if not self._has_origins or any(name.lower() == "access-control-allow-origin" for name in present):
            return []
        origin = origin_values(cors_request_headers(environ))
        return text_headers(Reply(200, cors_headers(origin, self.origins) or (VARY,)))

    def stream_guard(self, environ: "WSGIEnvironment", headers: Iterable[tuple[str, str]]) -> StreamGuard | None:
        """Return the guard of a response whose end is not in sight; None if it has a length, or is for anyone."""
        principal = environ.get(PRINCIPAL)
        if principal is None or principal is environ.get(OVERRIDE):
            return None
        return stream_guard(self._connector, principal, {name.lower(): value for name, value in headers})

    def with_cors(self, app: "WSGIApplication") -> "WSGIApplication":
        """Return ``app`` with answers to the preflights of trusted origins, and CORS headers in every response.

        Its streams end with the session that a view required.
        """
        app = self._with_streams(app)

        def with_headers(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
                added = self.cors_headers(environ, [name for name, _ in headers])
                return start_response(status, [*headers, *added], *error)

            reply = self.preflight(environ)
            return app(environ, start) if reply is None else start_reply(reply, start_response)

        return with_headers if self._has_origins else app

    def _with_streams(self, app: "WSGIApplication") -> "WSGIApplication":
        def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            headers: list[tuple[str, str]] = []

            def start(status: str, given: list[tuple[str, str]], *error: Any) -> Any:
                headers[:] = given
                return start_response(status, given, *error)

            parts = app(environ, start)
            guard = self.stream_guard(environ, headers)
            return parts if guard is None else guard.guard(parts)

        return serve


def current_principal(environ: "WSGIEnvironment") -> Principal | None:
    """Return the principal that ``identify`` stored. Raises ``RuntimeError`` if it was not called."""
    if PRINCIPAL not in environ:
        raise RuntimeError("this request was not authenticated: decorate its view with required or optional")
    return cast("Principal | None", environ[PRINCIPAL])

"""Authentication of WSGI requests, for any framework."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from keyturn.core.cors import is_from_app, parse_origins
from keyturn.core.principal import Principal
from keyturn.errors import ConfigurationError
from keyturn.flows import drive
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import IssuerLike, web_config_of
from keyturn.web.auth import AuthenticateCached, BaseAuth, Requirement, check_token_cache, token_for_verifier
from keyturn.web.issuer_authenticator import CREDENTIAL_CACHE_SIZE, IssuerAuthenticator
from keyturn.web.limits import FLOW_SECONDS, check_guarded_headers
from keyturn.web.message import Request
from keyturn.web.wsgi import deadline, environ_headers

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class WsgiAuth(BaseAuth):
    """Authentication of WSGI requests. ``issuer``: an ``Issuer``. ``verifier``: a ``Verifier``."""

    def __init__(
        self,
        issuer: IssuerLike | None = None,
        verifier: Verifier | None = None,
        *,
        trusted_origins: tuple[str, ...] = (),
        cache_size: int = CREDENTIAL_CACHE_SIZE,
    ) -> None:
        if hasattr(issuer, "ready") or isinstance(verifier, AsyncVerifier):
            raise ConfigurationError("a WSGI application needs an Issuer or a Verifier, not an async one")
        super().__init__(issuer, verifier)
        self._authenticate_cached: AuthenticateCached
        self._decide: Callable[[Request, bool], Principal | None]
        if verifier is not None:
            self.origins = parse_origins(trusted_origins).without_cookies()
            self._authenticate_cached = partial(check_token_cache, verifier)
            self._decide = partial(_call_verifier, verifier)
            return
        source = cast(IssuerLike, issuer)
        config = web_config_of(source, trusted_origins)
        sessions, self.origins = IssuerAuthenticator(source, config, cache_size), config.origins
        self._authenticate_cached = sessions.authenticate_cached
        self._decide = partial(_drive_flow, source, sessions)

    def authenticate(self, environ: "WSGIEnvironment", *, optional: bool = False) -> Principal | None:
        """Return the principal of a request. Arguments and refusals are those of ``AsgiAuth.authenticate``."""
        principal = self.authenticate_cached(environ)
        return principal if principal is not None else self._authenticate(environ, optional)

    def authenticate_cached(self, environ: "WSGIEnvironment") -> Principal | None:
        """Return the principal if its credential was accepted before and still is, else None. Never blocks."""
        authorization, cookie = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_COOKIE")
        if authorization is not None and not authorization.isascii():
            return None  # Malformed, and not absent: the cookie beside it must not answer for it.
        if self.origins.apps and is_from_app([_octets(environ.get("HTTP_ORIGIN")) or b""], self.origins):
            cookie = None
        return self._authenticate_cached(environ["REQUEST_METHOD"], _octets(authorization), _octets(cookie))

    def require(self, environ: "WSGIEnvironment", requirement: Requirement | None = None) -> Principal:
        """Return the principal. Raises as ``authenticate``, and as ``Requirement.check``."""
        return self._check(self.authenticate(environ), requirement)

    def _authenticate(self, environ: "WSGIEnvironment", optional: bool) -> Principal | None:
        headers = list(environ_headers(environ))
        check_guarded_headers(headers)
        request = Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers=headers)
        return self._decide(request, optional)


def _drive_flow(
    issuer: IssuerLike, sessions: IssuerAuthenticator, request: Request, optional: bool
) -> Principal | None:
    parts = issuer.parts
    flow = sessions.authenticate(request, parts, is_optional=optional, is_websocket=False)
    return drive(flow, parts.ports, deadline(time.monotonic() + FLOW_SECONDS))


def _call_verifier(verifier: Verifier, request: Request, optional: bool) -> Principal | None:
    token = token_for_verifier(request, optional)
    return None if token is None else verifier(token)


def _octets(text: str | None) -> bytes | None:
    # The strict way reads what is not ASCII.
    return text.encode() if text is not None and text.isascii() else None

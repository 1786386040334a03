"""Authentication of the requests of an application, for any ASGI or WSGI framework.

``AsgiAuth`` and ``WsgiAuth`` answer one question, who sent this request, over an issuer in this process or a verifier.
Nothing is judged before they are asked. A framework's integration adds how its routes ask, and how its errors answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from keyturn.core.principal import Principal
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Refusal, Unauthenticated
from keyturn.flows import drive, drive_async
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import AsyncIssuerLike, IssuerLike, web_config_of
from keyturn.web.asgi_messages import Receive, Scope, Send, send_reply
from keyturn.web.config import error_page_of
from keyturn.web.credentials import bearer_token, has_bearer
from keyturn.web.issuer_authenticator import CREDENTIAL_CACHE_SIZE, IssuerAuthenticator
from keyturn.web.limits import FLOW_SECONDS, check_guarded_headers, flow_timeout
from keyturn.web.message import Reply, Request, without_body
from keyturn.web.problem import problem
from keyturn.web.wsgi import deadline, environ_headers

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_REFUSED_SOCKET = 1008  # RFC 6455 section 7.4.1: policy violation; servers answer 403 before the handshake
_HANDSHAKE = "GET"

AuthenticateCached = Callable[[str, bytes | None, bytes | None], Principal | None]
"""Returns the principal of (method, Authorization, Cookie) if it is cached and needs no CSRF check. Never blocks."""


class Requirement(NamedTuple):
    """What a route requires of its caller. ``scopes``: all of them. ``fresh``: oldest authentication, in seconds."""

    scopes: tuple[str, ...] = ()
    fresh: int | None = None

    def check(self, principal: Principal, now: Callable[[], Instant]) -> Principal:
        """Return the principal. Raises ``Forbidden`` or ``StepUpRequired``."""
        for scope in self.scopes:
            principal.require_scope(scope)
        if self.fresh is not None:
            principal.require_recent_auth(now(), self.fresh)
        return principal


class _BaseAuth:
    """Common part of ``AsgiAuth`` and ``WsgiAuth``. Give exactly one of ``issuer`` and ``verifier``.

    ``issuer``: accepts session cookies, access cookies and bearer tokens, with CSRF protection. ``verifier``: accepts
    bearer access tokens only. ``trusted_origins``: other origins whose browser requests may use the issuer's cookies,
    beside those of its settings. ``cache_size``: largest number of cached headers of each kind.
    Raises ``ConfigurationError``.
    """

    def __init__(self, issuer: IssuerLike | None, verifier: Verifier | AsyncVerifier | None) -> None:
        if (issuer is None) is (verifier is None):
            raise ConfigurationError("give either issuer or verifier, and not both")
        self._source = issuer
        self.issuer_url = issuer.config.issuer if issuer is not None else verifier.issuer if verifier else ""
        self._error_page = error_page_of(self.issuer_url)

    def reply(self, refusal: Refusal, method: str, path: str) -> Reply:
        """Return the reply to a request that was refused: a problem document that links to the issuer's error page."""
        reply = problem(refusal, self._error_page, path)
        return without_body(reply) if method == "HEAD" else reply

    def _check(self, principal: Principal | None, requirement: Requirement | None) -> Principal:
        if principal is None:
            raise Unauthenticated("no credential was presented")
        return principal if requirement is None else requirement.check(principal, self._present)

    def _present(self) -> Instant:
        parts = None if self._source is None else self._source.current
        return Instant(int(time.time())) if parts is None else parts.present()[0]


class AsgiAuth(_BaseAuth):
    """Authentication of ASGI scopes, ``http`` and ``websocket``. A ``Verifier`` blocks in a thread.

    ``issuer``: an ``AsyncIssuer``. Otherwise as ``_BaseAuth``.
    """

    def __init__(
        self,
        issuer: AsyncIssuerLike | None = None,
        verifier: Verifier | AsyncVerifier | None = None,
        *,
        trusted_origins: tuple[str, ...] = (),
        cache_size: int = CREDENTIAL_CACHE_SIZE,
    ) -> None:
        if issuer is not None and not hasattr(issuer, "ready"):
            raise ConfigurationError("an ASGI application needs an AsyncIssuer, not an Issuer")
        super().__init__(issuer, verifier)
        self._authenticate_cached: AuthenticateCached
        self._decide: Callable[[Request, bool, bool], Awaitable[Principal | None]]
        if issuer is not None:
            sessions = IssuerAuthenticator(issuer, web_config_of(issuer, trusted_origins), cache_size)
            self._authenticate_cached = sessions.authenticate_cached
            self._decide = partial(_decide_by_flow, issuer, sessions)
        elif verifier is not None:
            self._authenticate_cached = partial(_check_token_cache, verifier)
            self._decide = partial(_decide_by_verifier, verifier)

    async def authenticate(self, scope: Scope, *, optional: bool = False) -> Principal | None:
        """Return the principal of a request or a WebSocket handshake.

        ``optional``: return None for an anonymous request. A cookie that is dead, malformed or repeated, and an
        Authorization header of another scheme, count as none; an invalid bearer token is refused.
        Raises ``Unauthenticated`` and its subclasses, ``CrossOrigin``, ``CsrfTokenRequired``, ``BadRequest``,
        ``HeadersTooLarge``; ``RevocationUnknown`` and ``Unavailable`` (503) if the state cannot be determined.
        """
        return self.authenticate_cached(scope) or await self._authenticate(scope, optional)

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        """Return the principal if its credential was accepted before and still is, else None: then ``authenticate``.

        Never blocks. A handshake is never judged here.
        """
        authorization = cookie = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:
                    return None
                authorization = value
            elif name == b"cookie":
                if cookie is not None:
                    return None
                cookie = value
        if scope["type"] != "http":
            return None
        return self._authenticate_cached(scope["method"], authorization, cookie)

    async def require(self, scope: Scope, requirement: Requirement | None = None) -> Principal:
        """Return the principal. Raises as ``authenticate``, and as ``Requirement.check``."""
        return self._check(await self.authenticate(scope), requirement)

    async def refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or a WebSocket handshake that was received, with a refusal."""
        if scope["type"] == "http":
            return await send_reply(self.reply(refusal, scope["method"], scope["path"]), send)
        await receive()
        if "websocket.http.response" in scope.get("extensions", ()):
            return await send_reply(self.reply(refusal, _HANDSHAKE, scope["path"]), send, "websocket.http")
        return await send({"type": "websocket.close", "code": _REFUSED_SOCKET, "reason": refusal.code})

    async def _authenticate(self, scope: Scope, optional: bool) -> Principal | None:
        is_websocket = scope["type"] == "websocket"
        # An unknown scope type has no method and raises KeyError, as the ASGI specification requires.
        request = Request(_HANDSHAKE if is_websocket else scope["method"], scope["path"], headers=scope["headers"])
        check_guarded_headers(request.headers)
        try:
            async with asyncio.timeout(FLOW_SECONDS):
                return await self._decide(request, optional, is_websocket)
        except TimeoutError:
            raise flow_timeout() from None


class WsgiAuth(_BaseAuth):
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
        if issuer is not None:
            sessions = IssuerAuthenticator(issuer, web_config_of(issuer, trusted_origins), cache_size)
            self._authenticate_cached = sessions.authenticate_cached
            self._decide = partial(_drive_flow, issuer, sessions)
        elif verifier is not None:
            self._authenticate_cached = partial(_check_token_cache, verifier)
            self._decide = partial(_call_verifier, verifier)

    def authenticate(self, environ: "WSGIEnvironment", *, optional: bool = False) -> Principal | None:
        """Return the principal of a request. Arguments and refusals are those of ``AsgiAuth.authenticate``."""
        authorization, cookie = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_COOKIE")
        principal = self._authenticate_cached(environ["REQUEST_METHOD"], _octets(authorization), _octets(cookie))
        return principal if principal is not None else self._authenticate(environ, optional)

    def require(self, environ: "WSGIEnvironment", requirement: Requirement | None = None) -> Principal:
        """Return the principal. Raises as ``authenticate``, and as ``Requirement.check``."""
        return self._check(self.authenticate(environ), requirement)

    def _authenticate(self, environ: "WSGIEnvironment", optional: bool) -> Principal | None:
        headers = list(environ_headers(environ))
        check_guarded_headers(headers)
        request = Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers=headers)
        return self._decide(request, optional)


async def _decide_by_flow(
    issuer: AsyncIssuerLike, sessions: IssuerAuthenticator, request: Request, optional: bool, is_websocket: bool
) -> Principal | None:
    parts = issuer.current or await issuer.ready()
    flow = sessions.authenticate(request, parts, is_optional=optional, is_websocket=is_websocket)
    return await drive_async(flow, parts.ports)


def _drive_flow(
    issuer: IssuerLike, sessions: IssuerAuthenticator, request: Request, optional: bool
) -> Principal | None:
    parts = issuer.parts
    flow = sessions.authenticate(request, parts, is_optional=optional, is_websocket=False)
    return drive(flow, parts.ports, deadline(time.monotonic() + FLOW_SECONDS))


async def _decide_by_verifier(
    verifier: Verifier | AsyncVerifier, request: Request, optional: bool, _is_websocket: bool
) -> Principal | None:
    token = _token_for_verifier(request, optional)
    if token is None:
        return None
    if isinstance(verifier, AsyncVerifier):
        return await verifier(token)
    return await asyncio.to_thread(verifier, token)


def _call_verifier(verifier: Verifier, request: Request, optional: bool) -> Principal | None:
    token = _token_for_verifier(request, optional)
    return None if token is None else verifier(token)


def _check_token_cache(
    verifier: Verifier | AsyncVerifier, _method: str, authorization: bytes | None, _cookie: bytes | None
) -> Principal | None:
    if authorization is None or authorization[:7] != b"Bearer ":
        return None
    # The verifier is as strict about the syntax of a token as ``bearer_token`` is.
    token = authorization[7:].decode("latin-1")
    return verifier.check_cached(token) or verifier.check_now(token)


def _token_for_verifier(request: Request, optional: bool) -> str | None:
    if optional and not has_bearer(request):
        return None
    token = bearer_token(request)
    if token is None:
        raise Unauthenticated(
            "the request has no bearer token",
            hint="Send the header Authorization: Bearer, a space, an access token; this service takes no cookies.",
        )
    return token


def _octets(text: str | None) -> bytes | None:
    # The strict way reads what is not ASCII.
    return text.encode() if text is not None and text.isascii() else None

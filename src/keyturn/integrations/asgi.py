"""ASGI middleware that authenticates requests, for any framework. It needs no store, no framework and no extras.

The principal is stored in ``scope["keyturn.principal"]``. A credential that was verified before is checked against a
cache, without a flow. If the cache cannot accept it, the flow decides: only the flow may refuse.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

from keyturn.core.csrf import SAFE_METHODS
from keyturn.core.lifecycle import check_session_token, ends_at
from keyturn.core.principal import Principal
from keyturn.core.sealed import CredentialKind, parse, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.core.types import Instant, SessionId
from keyturn.errors import ConfigurationError, Refusal, Unauthenticated
from keyturn.flows import drive_async
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import AsyncIssuerLike, IssuerParts
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send, send_reply
from keyturn.web.config import error_page_of, web_config
from keyturn.web.credentials import bearer_token, has_bearer, read_cookie
from keyturn.web.guard import guard, guard_optional, refuse_cross_origin
from keyturn.web.message import Request, without_body
from keyturn.web.problem import problem

PRINCIPAL = "keyturn.principal"
"""Key of the principal in the scope. The value is None for an anonymous request if ``optional`` is set."""

COOKIE_CACHE_SIZE = 10_000
MAX_CACHED_COOKIE_BYTES = 2048
"""Longest Cookie header that is cached, so that clients cannot fill the memory with 16 KiB entries."""

_REFUSED_SOCKET = 1008  # RFC 6455 section 7.4.1: policy violation; servers answer 403 before the handshake


class AuthMiddleware:
    """ASGI middleware that passes only authenticated HTTP requests and WebSocket handshakes to ``app``.

    ``verifier``: for a resource server, which accepts bearer access tokens. A ``Verifier`` blocks in a thread.
    ``issuer``: for an app of the issuer itself, which accepts bearer tokens, session cookies and access cookies, with
    CSRF protection. Give exactly one of ``verifier`` and ``issuer``.
    ``trusted_origins``: other origins whose browser requests may use the issuer's cookies.
    ``optional``: pass anonymous requests, with None as their principal. A cookie that is dead, malformed or repeated,
    and an Authorization header of another scheme, count as none. An invalid bearer token is refused, and so is a valid
    cookie in a request from another origin.
    ``cookie_cache_size``: maximum number of cached Cookie headers.

    A refusal is sent as a problem document (``web.problem``) that links to the issuer's error page.
    Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        issuer: AsyncIssuerLike | None = None,
        trusted_origins: tuple[str, ...] = (),
        optional: bool = False,
        cookie_cache_size: int = COOKIE_CACHE_SIZE,
    ) -> None:
        self._app = app
        self._optional = optional
        self._authenticator = _authenticator_for(verifier, issuer, trusted_origins, cookie_cache_size)
        self._authenticate_cached = self._authenticator.authenticate_cached
        self._error_page = error_page_of(self._authenticator.issuer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request."""
        kind = scope["type"]
        try:
            principal = self._authenticate_cached(scope) if kind == "http" else None
            if principal is None and kind != "lifespan":
                principal = await self._authenticator.authenticate(scope, optional=self._optional)
        except Refusal as refusal:
            return await _refuse(refusal, self._error_page, scope, receive, send)
        scope[PRINCIPAL] = principal
        return await self._app(scope, receive, send)


class _Authenticator(Protocol):
    @property
    def issuer(self) -> str:
        """URL of the issuer, whose error page refusals link to."""
        ...

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        """Return the principal if it is cached and no CSRF check is needed, else None. Never blocks."""
        ...

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        """Authenticate a request. Raises a refusal; returns None without a credential if ``optional`` is set."""
        ...


class _TokenAuthenticator:
    """Authenticator of bearer access tokens, with a verifier."""

    def __init__(self, verifier: Verifier | AsyncVerifier) -> None:
        self._verifier = verifier
        self.issuer = verifier.issuer
        self._check_cached = verifier.check_cached
        self._check_now = verifier.check_now

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        value = None
        for name, each in scope["headers"]:
            if name == b"authorization":
                if value is not None:
                    return None
                value = each
        if value is None or value[:7] != b"Bearer ":
            return None
        # The verifier is as strict about the syntax of a token as ``bearer_token`` is.
        token = value[7:].decode("latin-1")
        return self._check_cached(token) or self._check_now(token)

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        request = _request(scope)
        if optional and not has_bearer(request):
            return None
        token = bearer_token(request)
        if token is None:
            raise Unauthenticated(
                "the request has no bearer token",
                hint="Send the header Authorization: Bearer, a space, an access token; this service takes no cookies.",
            )
        if isinstance(self._verifier, AsyncVerifier):
            return await self._verifier(token)
        return await asyncio.to_thread(self._verifier, token)


class _SessionAuthenticator:
    """Authenticator of every credential of the issuer, with the flows and a cache of session cookies."""

    def __init__(self, issuer: AsyncIssuerLike, trusted_origins: tuple[str, ...], cookie_cache_size: int) -> None:
        self._source = issuer
        self._config = issuer.config
        self.issuer = issuer.config.issuer
        self._web_config = web_config(issuer.config, trusted_origins=trusted_origins)
        self._capacity = cookie_cache_size
        self._cookie_cache: dict[bytes | None, tuple[SessionId, LoadedSession, Principal, float]] = {}
        self._parts: IssuerParts | None = None

    async def _ready(self) -> IssuerParts:
        """Return the components of the issuer. Those of a former opening, or of the parent of a fork, are dropped."""
        parts = self._source.current or await self._source.ready()
        if parts is not self._parts:
            self._cookie_cache.clear()
            self._progress = parts.progress
            self._get_cached_session = parts.ports.session_cache.get
            self._parts = parts
        return parts

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        # An unsafe request may be forged in a browser (CSRF): leave it to ``authenticate``, which checks that.
        if scope["method"] not in SAFE_METHODS:
            return None
        cookie = None
        for name, value in scope["headers"]:
            if name == b"cookie":
                if cookie is not None:
                    return None
                cookie = value
            elif name == b"authorization":
                return None
        entry = self._cookie_cache.get(cookie)
        if entry is None or self._source.current is not self._parts:
            return None
        sid, loaded, principal, deadline = entry
        # Check each time: the session cache for freshness and revocation, a clock for the session's timeouts.
        if self._progress() < deadline and self._get_cached_session(sid) is loaded:
            return principal
        self._cookie_cache.pop(cookie, None)
        return None

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        parts = await self._ready()
        (now, config), request = parts.present(), _request(scope)
        check = guard_optional if optional else guard
        principal = await drive_async(check(request, now, self._web_config.at(config)), parts.ports)
        if principal is None:
            return None
        if scope["type"] == "websocket":
            # Cross-site WebSocket hijacking: the handshake is a GET, which browsers send to any origin with cookies.
            refuse_cross_origin(replace(request, method="POST"), self._web_config)
        if principal.credential == "session" and config is self._config and request.method in SAFE_METHODS:
            self._cache_cookie(request, principal, now)
        return principal

    def _cache_cookie(self, request: Request, principal: Principal, now: Instant) -> None:
        """Cache the principal by the whole Cookie header, together with the session that accepts it."""
        cookies = request.values(b"cookie")
        loaded = self._get_cached_session(principal.sid)
        if loaded is None or len(cookies) != 1 or len(cookies[0]) > MAX_CACHED_COOKIE_BYTES:
            return
        if self._is_valid(loaded, request, now):
            self._evict_oldest()
            # Both clocks agreed on ``now``, rounded down: the time since needs only one.
            deadline = self._progress() + self._expiry(loaded) - (now + 1)
            self._cookie_cache[cookies[0]] = (principal.sid, loaded, principal, deadline)

    def _is_valid(self, loaded: LoadedSession, request: Request, now: Instant) -> bool:
        # Another request may have renewed the session since the flow ended: verify the token against ``loaded``.
        credential = parse(
            read_cookie(request, "session", self._config) or "", CredentialKind.SESSION, self._config.secrets
        )
        try:
            session = check_session_token(loaded, credential.counter, now, self._config.profile.session)
        except Refusal:
            return False
        return session is loaded.session and verify_mac(credential, loaded.session.seed)

    def _expiry(self, loaded: LoadedSession) -> int:
        session, policy = loaded.session, self._config.profile.session
        return min(session.last_seen_at + policy.touch_seconds, ends_at(session, policy))

    def _evict_oldest(self) -> None:
        while self._cookie_cache and len(self._cookie_cache) >= self._capacity:
            del self._cookie_cache[next(iter(self._cookie_cache))]


def _authenticator_for(
    verifier: Verifier | AsyncVerifier | None,
    issuer: AsyncIssuerLike | None,
    trusted_origins: tuple[str, ...],
    cookie_cache_size: int,
) -> _Authenticator:
    if cookie_cache_size < 1:
        raise ConfigurationError("cookie_cache_size must be at least 1")
    if issuer is not None and not hasattr(issuer, "ready"):
        raise ConfigurationError("AuthMiddleware needs an AsyncIssuer, not an Issuer")
    if issuer is not None and verifier is None:
        return _SessionAuthenticator(issuer, trusted_origins, cookie_cache_size)
    if verifier is not None and issuer is None:
        return _TokenAuthenticator(verifier)
    raise ConfigurationError("AuthMiddleware requires either verifier or issuer, and not both")


def _request(scope: Scope) -> Request:
    # An unknown scope type has no method and raises KeyError, as the ASGI specification requires.
    method = "GET" if scope["type"] == "websocket" else scope["method"]
    return Request(method, scope["path"], headers=scope["headers"])


async def _refuse(refusal: Refusal, error_page: str, scope: Scope, receive: Receive, send: Send) -> None:
    reply = problem(refusal, error_page, scope["path"])
    if scope["type"] == "http":
        await send_reply(without_body(reply) if scope["method"] == "HEAD" else reply, send)
        return
    await receive()
    if "websocket.http.response" in scope.get("extensions", ()):
        await send_reply(reply, send, "websocket.http")
    else:
        await send({"type": "websocket.close", "code": _REFUSED_SOCKET, "reason": refusal.code})

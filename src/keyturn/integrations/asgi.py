"""Guard: ASGI middleware that says who is calling, for any framework. It needs no store, no framework, no extras.

The principal is put into ``scope["keyturn.principal"]``. What was judged before is judged again in a straight line,
without a flow; whatever that line cannot vouch for goes the full way, which alone may refuse.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from keyturn.core.csrf import SAFE_METHODS
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import check_session_token, ends_at
from keyturn.core.principal import Principal
from keyturn.core.sealed import CredentialKind, parse, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.core.types import Instant, SessionId
from keyturn.errors import ConfigurationError, Refusal, Unauthenticated
from keyturn.flows import drive_async
from keyturn.ports import Ports
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.config import web_config
from keyturn.web.credentials import bearer_token, extract, read_cookie
from keyturn.web.guard import guard, refuse_cross_origin
from keyturn.web.message import Reply, Request, without_body
from keyturn.web.problem import problem

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PRINCIPAL = "keyturn.principal"
"""Key of the scope under which the principal is found; ``None`` there means an optional guard let a stranger in."""

COOKIE_CACHE_SIZE = 10_000
MAX_CACHED_COOKIE_BYTES = 2048
"""A longer Cookie header is judged anew each time, so that nobody fills the memory with 16 KiB entries."""

_REFUSED_SOCKET = 1008  # RFC 6455 section 7.4.1: policy violation; servers answer 403 before the handshake


class IssuerParts(Protocol):
    """What a guard needs of an issuer. ``near`` of the ports must be the cache its revocation feed pours into."""

    @property
    def config(self) -> IssuerConfig: ...
    @property
    def ports(self) -> Ports: ...
    @property
    def clock(self) -> Callable[[], float]: ...


class IssuerLike(Protocol):
    """An issuer in this process: ``AsyncIssuer`` is one."""

    @property
    def parts(self) -> IssuerParts: ...


class AuthMiddleware:
    """Lets only authenticated HTTP requests and WebSocket handshakes through to ``app``.

    Give either ``verifier`` (a resource server: bearer access tokens) or ``issuer`` (the issuer's own app: bearer,
    session cookie or access cookie, with CSRF rules). ``trusted_origins``: other origins whose browser requests may
    act on the issuer's cookies. ``optional``: a request without any credential passes, its principal ``None``; a bad
    credential is refused all the same. A ``Verifier`` that has to wait does so in a thread.

    Refusals are answered with ``web.problem``. Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        app: App,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        issuer: IssuerLike | None = None,
        trusted_origins: tuple[str, ...] = (),
        optional: bool = False,
        cookie_cache_size: int = COOKIE_CACHE_SIZE,
    ) -> None:
        self._app = app
        self._optional = optional
        self._authenticator_for = _authenticator_for(verifier, issuer, trusted_origins, cookie_cache_size)
        self._recall = self._authenticator_for.authenticate_cached

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request."""
        kind = scope["type"]
        try:
            principal = self._recall(scope) if kind == "http" else None
            if principal is None and kind != "lifespan":
                principal = await self._authenticator_for.authenticate(scope, optional=self._optional)
        except Refusal as refusal:
            return await _refuse(refusal, scope, receive, send)
        scope[PRINCIPAL] = principal
        return await self._app(scope, receive, send)


class _Authenticator(Protocol):
    def authenticate_cached(self, scope: Scope) -> Principal | None:
        """The principal, where nothing has to be waited for and no rule but the credential's own applies."""
        ...

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        """Judge a request with the reasons for every "no". ``None`` for no credential at all, where that is allowed."""
        ...


class _TokenAuthenticator:
    """Bearer access tokens, by a verifier."""

    def __init__(self, verifier: Verifier | AsyncVerifier) -> None:
        self._verifier = verifier
        self._recall = verifier.check_cached
        self._look = verifier.check_now

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        value = None
        for name, each in scope["headers"]:
            if name == b"authorization":
                if value is not None:
                    return None
                value = each
        if value is None or value[:7] != b"Bearer ":
            return None
        # The verifier is as strict about a token's shape as ``bearer_token`` is.
        token = value[7:].decode("latin-1")
        return self._recall(token) or self._look(token)

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        token = bearer_token(_request(scope))
        if token is None:
            if optional:
                return None
            raise Unauthenticated("no bearer token was presented")
        if isinstance(self._verifier, AsyncVerifier):
            return await self._verifier(token)
        return await asyncio.to_thread(self._verifier, token)


class _SessionAuthenticator:
    """The issuer's own app: every credential it hands out, through the flows, and a memory of session cookies."""

    def __init__(self, parts: IssuerParts, trusted_origins: tuple[str, ...], cookie_cache_size: int) -> None:
        self._realm = parts.config
        self._ports = parts.ports
        self._clock = parts.clock
        self._near_recall = parts.ports.session_cache.get
        self._site = web_config(parts.config, trusted_origins=trusted_origins)
        self._capacity = cookie_cache_size
        self._memo: dict[bytes | None, tuple[SessionId, LoadedSession, Principal, int]] = {}

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        # What a browser may be tricked into goes the full way, with the CSRF rules.
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
        remembered = self._memo.get(cookie)
        if remembered is None:
            return None
        sid, found, principal, until = remembered
        # The near-cache vouches for the record (freshness, revocation), the clock for the timeouts; both every time.
        if self._clock() < until and self._near_recall(sid) is found:
            return principal
        self._memo.pop(cookie, None)
        return None

    async def authenticate(self, scope: Scope, *, optional: bool) -> Principal | None:
        now, request = Instant(int(self._clock())), _request(scope)
        if optional and extract(request, self._realm) is None:
            return None
        if scope["type"] == "websocket":
            # Cross-site WebSocket hijacking: the handshake is a GET that browsers send anywhere with cookies.
            refuse_cross_origin(replace(request, method="POST"), self._site)
        principal = await drive_async(guard(request, now, self._site), self._ports)
        if principal.credential == "session" and request.method in SAFE_METHODS:
            self._cache_cookie(request, principal, now)
        return principal

    def _cache_cookie(self, request: Request, principal: Principal, now: Instant) -> None:
        """Remember the whole Cookie header, under the very record that admits it."""
        cookies = request.values(b"cookie")
        found = self._near_recall(principal.sid)
        if found is None or len(cookies) != 1 or len(cookies[0]) > MAX_CACHED_COOKIE_BYTES:
            return
        if self._is_still_good(found, request, now):
            self._evict_oldest()
            self._memo[cookies[0]] = (principal.sid, found, principal, self._good_until(found))

    def _is_still_good(self, found: LoadedSession, request: Request, now: Instant) -> bool:
        # Between the flow's answer and here another request may have renewed the session: prove it against *found*.
        presented = parse(
            read_cookie(request, "session", self._realm) or "", CredentialKind.SESSION, self._realm.secrets
        )
        try:
            admitted = check_session_token(found, presented.counter, now, self._realm.profile.session)
        except Refusal:
            return False
        return admitted is found.session and verify_mac(presented, found.session.seed)

    def _good_until(self, found: LoadedSession) -> int:
        session, policy = found.session, self._realm.profile.session
        return min(session.last_seen_at + policy.touch_seconds, ends_at(session, policy))

    def _evict_oldest(self) -> None:
        while self._memo and len(self._memo) >= self._capacity:
            del self._memo[next(iter(self._memo))]


def _authenticator_for(
    verifier: Verifier | AsyncVerifier | None,
    issuer: IssuerLike | None,
    trusted_origins: tuple[str, ...],
    cookie_cache_size: int,
) -> _Authenticator:
    if cookie_cache_size < 1:
        raise ConfigurationError("memo_cookies must be positive")
    if issuer is not None and verifier is None:
        return _SessionAuthenticator(issuer.parts, trusted_origins, cookie_cache_size)
    if verifier is not None and issuer is None:
        return _TokenAuthenticator(verifier)
    raise ConfigurationError("a guard takes either a verifier or an issuer")


def _request(scope: Scope) -> Request:
    # A scope type that ASGI may learn one day has no method: it raises here, as the specification asks.
    method = "GET" if scope["type"] == "websocket" else scope["method"]
    return Request(method, scope["path"], headers=scope["headers"])


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    reply = problem(refusal, scope["path"])
    if scope["type"] == "http":
        await _send_reply("http", without_body(reply) if scope["method"] == "HEAD" else reply, send)
        return
    await receive()
    if "websocket.http.response" in scope.get("extensions", ()):
        await _send_reply("websocket.http", reply, send)
    else:
        await send({"type": "websocket.close", "code": _REFUSED_SOCKET, "reason": refusal.code})


async def _send_reply(prefix: str, reply: Reply, send: Send) -> None:
    await send({"type": f"{prefix}.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": f"{prefix}.response.body", "body": reply.body})

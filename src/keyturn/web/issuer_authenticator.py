"""Authentication of a request by an issuer in this process: with a flow, or from the cache of what a flow accepted."""

from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from keyturn.core.claims import AccessClaims
from keyturn.core.csrf import SAFE_METHODS
from keyturn.core.lifecycle import check_session_token, ends_at
from keyturn.core.principal import Principal
from keyturn.core.repeats import has_unrecorded_use
from keyturn.core.revocation import Verdict
from keyturn.core.sealed import CredentialKind, parse, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.core.types import Instant, SessionId
from keyturn.errors import ConfigurationError, Refusal
from keyturn.flows.effects import Flow
from keyturn.verifier.threads import ForkSafeLock
from keyturn.web.application import IssuerLike, IssuerParts
from keyturn.web.config import WebConfig
from keyturn.web.credentials import read_cookie
from keyturn.web.guard import Caller, authenticate, authenticate_optional, refuse_cross_origin
from keyturn.web.message import Request

CREDENTIAL_CACHE_SIZE = 10_000
MAX_CACHED_HEADER_BYTES = 2048
"""Longest header that is cached, so that clients cannot fill the memory with 16 KiB entries."""


class _CachedCookie(NamedTuple):
    """Accepted session cookie. ``deadline``: seconds of ``IssuerParts.progress``; a renewal is due, or the end."""

    sid: SessionId
    loaded: LoadedSession
    principal: Principal
    deadline: float


class _CachedToken(NamedTuple):
    """Accepted access token. ``keys``: revision of the keys that verified it. ``deadline``: as of a cookie."""

    keys: object
    claims: AccessClaims
    principal: Principal
    deadline: float


Entry = TypeVar("Entry", _CachedCookie, _CachedToken)


class IssuerAuthenticator:
    """Authenticator of every credential of an issuer: session cookies, access tokens and access cookies.

    A credential that was accepted before is checked against the session cache and a clock, without a flow. That may
    only accept: whatever it cannot accept, the flow decides. ``config``: of the endpoints, with the trusted origins.
    ``cache_size``: largest number of cached Cookie headers, and of cached bearer tokens; at least 1.
    """

    def __init__(self, issuer: IssuerLike, config: WebConfig, cache_size: int = CREDENTIAL_CACHE_SIZE) -> None:
        if cache_size < 1:
            raise ConfigurationError("the credential cache must hold at least 1 entry")
        self._source = issuer
        self._web_config = config
        self._config = issuer.config
        self._cookies: _Cache[_CachedCookie] = _Cache(cache_size)
        self._tokens: _Cache[_CachedToken] = _Cache(cache_size)
        self._records_use = bool(issuer.config.profile.session.lost_response_seconds)
        self._parts: IssuerParts | None = None

    def authenticate_cached(self, method: str, authorization: bytes | None, cookie: bytes | None) -> Principal | None:
        """Return the principal of a credential that was accepted before and still is. Never blocks.

        ``authorization``, ``cookie``: the only header of that name. None for all that needs the flow.
        """
        if self._source.current is not self._parts:
            return None
        if authorization is not None:
            # A browser attaches no bearer token by itself: no method needs a CSRF check.
            return self._accept_token(authorization)
        # An unsafe request with a cookie may be forged (CSRF): the flow checks that.
        return self._accept_cookie(cookie) if method in SAFE_METHODS else None

    def authenticate(
        self, request: Request, parts: IssuerParts, *, is_optional: bool, is_websocket: bool
    ) -> Flow[Principal | None]:
        """Authenticate a request by the flow, and cache a credential that it accepted. Raises as ``web.guard``.

        Return None for an anonymous request if ``is_optional``.
        """
        self._bind(parts)
        (now, config), keys = parts.present(), self._signer.revision
        check = authenticate_optional if is_optional else authenticate
        caller = yield from check(request, now, self._web_config.at(config))
        if caller is None:
            return None
        if is_websocket:
            # Cross-site WebSocket hijacking: the handshake is a GET, which browsers send to any origin with cookies.
            refuse_cross_origin(replace(request, method="POST"), self._web_config)
        if config is self._config:
            self._cache(request, caller, now, keys)
        return caller.principal

    def _bind(self, parts: IssuerParts) -> None:
        """Use ``parts``. What was cached with those of a former opening, or of the parent of a fork, is dropped."""
        if parts is not self._parts:
            self._cookies.clear()
            self._tokens.clear()
            self._progress = parts.progress
            self._get_cached_session = parts.ports.session_cache.get
            self._check_cached_claims = parts.ports.session_cache.check
            self._signer = parts.ports.signer
            self._parts = parts

    def _accept_cookie(self, header: bytes | None) -> Principal | None:
        entry = self._cookies.entries.get(header)
        if entry is None:
            return None
        sid, loaded, principal, deadline = entry
        # Check each time: the session cache for freshness and revocation, a clock for the session's timeouts.
        if self._progress() < deadline and self._get_cached_session(sid) is loaded:
            return principal
        self._cookies.discard(header)
        return None

    def _accept_token(self, header: bytes) -> Principal | None:
        entry = self._tokens.entries.get(header)
        if entry is None:
            return None
        keys, claims, principal, deadline = entry
        if (
            self._progress() < deadline
            and keys is self._signer.revision
            and self._check_cached_claims(claims.sid, claims.sub, claims.gen, claims.client_id, claims.iat)
            is Verdict.LIVE
            and ((claims.rot is None and not self._records_use) or self._is_use_recorded(claims))
        ):
            return principal
        self._tokens.discard(header)
        return None

    def _is_use_recorded(self, claims: AccessClaims) -> bool:
        loaded = self._get_cached_session(claims.sid)
        return loaded is not None and not has_unrecorded_use(loaded.session, claims.rot)

    def _cache(self, request: Request, caller: Caller, now: Instant, keys: object) -> None:
        """Cache the principal by the whole header, together with what accepts it. ``keys``: revision before the flow.

        A token for which the flow asked the store is not cached: the feed alone does not know of its revocation.
        """
        if caller.claims is not None:
            if not caller.credential.cookie and caller.session is None:
                header, deadline = request.values(b"authorization")[0], self._deadline(caller.claims.exp, now)
                self._tokens.insert(header, _CachedToken(keys, caller.claims, caller.principal, deadline))
        elif request.method in SAFE_METHODS:
            self._cache_cookie(request, caller.principal, now)

    def _cache_cookie(self, request: Request, principal: Principal, now: Instant) -> None:
        cookies = request.values(b"cookie")
        loaded = self._get_cached_session(principal.sid)
        if loaded is not None and len(cookies) == 1 and self._is_valid(loaded, request, now):
            entry = _CachedCookie(principal.sid, loaded, principal, self._deadline(self._expiry(loaded), now))
            self._cookies.insert(cookies[0], entry)

    def _deadline(self, expires_at: int, now: Instant) -> float:
        # Both clocks agreed on ``now``, rounded down: the time since needs only one.
        return self._progress() + expires_at - (now + 1)

    def _is_valid(self, loaded: LoadedSession, request: Request, now: Instant) -> bool:
        # Another request may have renewed the session since the flow ended: verify the token against ``loaded``.
        text = read_cookie(request, "session", self._config) or ""
        credential = parse(text, CredentialKind.SESSION, self._config.secrets)
        try:
            session = check_session_token(loaded, credential.counter, now, self._config.profile.session)
        except Refusal:
            return False
        return session is loaded.session and verify_mac(credential, loaded.session.seed)

    def _expiry(self, loaded: LoadedSession) -> int:
        session, policy = loaded.session, self._config.profile.session
        return min(session.last_seen_at + policy.touch_seconds, ends_at(session, policy))


class _Cache(Generic[Entry]):
    """At most ``capacity`` entries by header; a full cache evicts the oldest. ``entries`` is read without a lock."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = ForkSafeLock()
        self.entries: dict[bytes | None, Entry] = {}

    def insert(self, header: bytes, entry: Entry) -> None:
        """Cache an entry, unless its header is longer than ``MAX_CACHED_HEADER_BYTES``."""
        if len(header) > MAX_CACHED_HEADER_BYTES:
            return
        entries = self.entries
        with self._lock:
            while len(entries) >= self._capacity:
                del entries[next(iter(entries))]
            entries[header] = entry

    def discard(self, header: bytes | None) -> None:
        """Remove an entry, if it is there."""
        with self._lock:
            self.entries.pop(header, None)

    def clear(self) -> None:
        """Remove every entry."""
        with self._lock:
            self.entries.clear()

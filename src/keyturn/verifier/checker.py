"""Token checks shared by ``Verifier`` and ``AsyncVerifier``: configuration, token cache and the check of one token.

The check is a generator that yields what it has to wait for: a future or a call to introspection. The sync and the
async verifier differ only in how they wait.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from keyturn.core.claims import ACCESS_TYPE, check_audience, check_issuer, check_times, principal_from_claims
from keyturn.core.clocks import ClockReading, read_clocks
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationSet, Verdict
from keyturn.errors import RevocationUnknown, TokenInvalid, TokenRevoked, Unavailable, UnknownKey
from keyturn.tokens.jws import verify_compact
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.claims import Claims, read_claims
from keyturn.verifier.feed import Feed, NullFeed, RunningFeed
from keyturn.verifier.keys import KeySource
from keyturn.verifier.metrics import VerifierMetrics
from keyturn.verifier.outage_log import error_summary
from keyturn.verifier.token_cache import CachedToken, TokenCache

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class IntrospectionNeeded:
    """Request to ask the issuer whether ``token`` is active."""

    token: str = field(repr=False)


CheckFlow = Generator[Future[None] | IntrospectionNeeded, bool, Outcome]
CheckSteps = CheckFlow[Principal]
"""Yields futures to wait for and introspection requests; each request is answered with True for an active token."""


class TokenChecker:
    """Configuration and token cache of one verifier. ``_Verifier`` documents the arguments."""

    def __init__(
        self,
        issuer: str,
        audience: tuple[str, ...],
        keys: KeySource,
        feed: Feed | None,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        leeway_seconds: int,
        staleness_seconds: float,
        can_introspect: bool,
        token_cache_size: int,
    ) -> None:
        self._issuer = issuer
        self._audiences = frozenset(audience)
        self._keys = keys
        self._feed: Feed = NullFeed() if feed is None else feed
        self._has_feed = feed is not None
        self._clock = clock
        self._monotonic = monotonic
        self._leeway_seconds = leeway_seconds
        self._tolerance_seconds = max(1, leeway_seconds)
        # The stricter of two bounds: the feed's and this service's.
        self._bound_seconds = float("inf") if feed is None else min(staleness_seconds, feed.freshness.bound_seconds)
        self._can_introspect = can_introspect
        self._token_cache = TokenCache(token_cache_size)
        self._entries = self._token_cache.entries
        self._hits = 0
        self._misses = 0

    @property
    def issuer(self) -> str:
        """The only accepted ``iss``."""
        return self._issuer

    @property
    def audience(self) -> str | frozenset[str]:
        """The name that ``aud`` must contain, or the names of which it must contain one."""
        return next(iter(self._audiences)) if len(self._audiences) == 1 else self._audiences

    @property
    def keys(self) -> KeySource:
        """Source of the issuer's public keys."""
        return self._keys

    @property
    def feed(self) -> Feed:
        """Source of revocations."""
        return self._feed

    def check_cached(self, token: str) -> Principal | None:
        """Return the principal of a cached token that is still valid, or None: then call ``check_now``.

        Signature and fixed claims are cached by the whole token and by the key set object that verified them, for this
        verifier only. Expiry and audience are checked on every call, revocation whenever the denylist has changed. One
        function, for speed. The time is what both clocks agreed on when the feed was last read, at most the staleness
        bound ago, plus the time since.
        """
        cached = self._entries.get(token)
        if cached is None:
            return None
        source, feed = self._keys, self._feed
        now, freshness = self._monotonic(), feed.freshness
        offset = freshness.wall_offset
        wall = self._clock() if offset is None else now + offset
        # Read freshness before the revocations: the set read later is complete up to that moment at least.
        if (
            cached.keys is not source.current
            or now >= source.due_at
            or not cached.starts_at <= wall < cached.ends_at
            or cached.audience not in self._audiences
            or not now - freshness.complete_as_of <= self._bound_seconds
        ):
            return None
        revocations = feed.revocations
        if cached.revision is not revocations.revision and _is_revoked(cached, revocations):
            return None
        self._hits += 1
        return cached.principal

    def metrics(self) -> VerifierMetrics:
        """Return the current metrics."""
        feed, age_seconds = self._feed, self._feed.freshness.age(self._monotonic())
        revocations = feed.revocations
        problems = [getattr(each, "problem", "") for each in (self._keys, feed)]
        problem = "; ".join(filter(None, problems))
        return VerifierMetrics(
            age_seconds,
            len(revocations),
            revocations.sequence,
            self._hits,
            self._misses,
            len(self._entries),
            problem,
            self._read_clocks().difference_seconds,
        )

    def check_now(self, token: str) -> Principal | None:
        """Check a token without waiting. Return None where ``check`` has to wait. Raises as ``check``."""
        source = self._keys
        keys = source.current
        if keys is None or self._monotonic() >= source.due_at:
            return None
        try:
            cached = self._check_signature(token, keys)
        except UnknownKey:
            return None
        is_live = self._is_live(cached)
        if is_live is False:
            raise _revoked_error()
        return cached.principal if is_live else None

    def check(self, token: str) -> CheckSteps:
        """Check a token, and wait for keys, the feed or introspection. Raises as ``Verifier.__call__``."""
        keys = yield from self._ready_keys()
        try:
            cached = self._check_signature(token, keys)
        except UnknownKey:
            pending = self._keys.fetch_for_unknown_kid()
            if pending is None:
                raise
            yield from _wait_for_keys(pending)
            cached = self._check_signature(token, self._keys.current or keys)
        verdict = self._cached_verdict(cached)
        if verdict is Verdict.UNKNOWN:
            verdict = yield from self._resolve_unknown(token, cached)
        if verdict is Verdict.REVOKED:
            raise _revoked_error()
        return cached.principal

    def _ready_keys(self) -> CheckFlow[KeySet]:
        pending = self._keys.refresh_if_due()
        if pending is not None:
            yield from _wait_for_keys(pending)
        keys = self._keys.current
        if keys is None:
            raise Unavailable("the issuer's keys have not been fetched yet; retry later")
        return keys

    def _check_signature(self, token: str, keys: KeySet) -> CachedToken:
        """Check everything except revocation. Cache a valid token."""
        cached = self._entries.get(token)
        if cached is None or cached.keys is not keys:
            return self._read(token, keys)
        now, gap = self._present()
        is_within = cached.starts_at <= now and now + gap < cached.ends_at
        if cached.audience not in self._audiences or not is_within:
            self._check_claims(cached.claims, now, gap)
        return cached

    def _present(self) -> tuple[float, float]:
        """Return the present time and 0, or the earlier time and the gap while the issuer's clock disagrees."""
        wall = self._clock()
        bounds, tolerance = self._feed.freshness.issuer_clock, self._tolerance_seconds
        if bounds.low - tolerance <= wall - self._monotonic() <= bounds.high + tolerance:
            return wall, 0
        reading = self._read_clocks()
        return reading.now, reading.gap_seconds

    def _read_clocks(self) -> ClockReading:
        references = (self._feed.freshness.issuer_clock,)
        return read_clocks(self._clock(), self._monotonic(), references, self._tolerance_seconds)

    def _read(self, token: str, keys: KeySet) -> CachedToken:
        """Check a token that is not cached. One function, for speed: ``_check_claims`` raises the specific errors."""
        self._misses += 1
        # RFC 9068 section 4, RFC 8725 section 3.11: no other token type of this issuer is accepted as an access token.
        claims, (now, gap) = read_claims(verify_compact(token, keys, ACCESS_TYPE)), self._present()
        aud, issued_at, leeway = claims.aud, claims.iat, self._leeway_seconds
        accepted = self._audiences.intersection((aud,) if isinstance(aud, str) else aud)
        starts_at = (issued_at if issued_at > claims.nbf else claims.nbf) - leeway
        ends_at = claims.exp + leeway
        if (
            claims.iss != self._issuer
            or claims.gen < 0
            or not claims.sid
            or not accepted
            or not starts_at <= now
            or not now + gap < ends_at
        ):
            self._check_claims(claims, now, gap)
        (name, *_) = accepted
        cached = CachedToken(keys, starts_at, ends_at, name, principal_from_claims(claims), claims)
        self._token_cache.insert(token, cached, now)
        return cached

    def _check_claims(self, claims: Claims, now: float, gap_seconds: float) -> None:
        check_issuer(claims, self._issuer)
        if self._has_feed and (not claims.sid or claims.gen < 0):
            raise TokenInvalid("sid or gen is missing: the token cannot be checked for revocation")
        check_audience(claims, self._audiences)
        check_times(claims, now, self._leeway_seconds, gap_seconds)

    def _resolve_unknown(self, token: str, cached: CachedToken) -> CheckFlow[Verdict]:
        verdict = Verdict.UNKNOWN
        if isinstance(self._feed, RunningFeed):
            pending = self._feed.start()
            if not pending.done():
                with suppress(TimeoutError):
                    yield pending
            verdict = self._cached_verdict(cached)
        return (yield from self._request_introspection(token)) if verdict is Verdict.UNKNOWN else verdict

    def _cached_verdict(self, cached: CachedToken) -> Verdict:
        is_live = self._is_live(cached)
        if is_live is None:
            return Verdict.UNKNOWN
        return Verdict.LIVE if is_live else Verdict.REVOKED

    def _is_live(self, cached: CachedToken) -> bool | None:
        """Return False for a revoked token, True for a live one, None when the feed is too stale to tell."""
        feed = self._feed
        # Freshness before the revocations, as in check_cached. A known revocation counts even when the feed is stale.
        is_fresh = self._monotonic() - feed.freshness.complete_as_of <= self._bound_seconds
        return False if _is_revoked(cached, feed.revocations) else is_fresh or None

    def _request_introspection(self, token: str) -> CheckFlow[Verdict]:
        if not self._can_introspect:
            raise RevocationUnknown("the feed is older than the staleness bound, and introspection is not configured")
        try:
            active = yield IntrospectionNeeded(token)
        except Exception as error:  # any failure of introspection leaves the token's state unknown
            raise RevocationUnknown(f"the feed is stale and introspection failed: {error_summary(error)}") from error
        return Verdict.LIVE if active is True else Verdict.REVOKED


def _is_revoked(cached: CachedToken, revocations: RevocationSet) -> bool:
    revision = revocations.revision  # before the check: a revocation applied meanwhile has another one
    claims = cached.claims
    # Without a feed, a token may lack "gen".
    if revocations.revokes(claims.sid, claims.sub, max(claims.gen, 0), claims.client_id, claims.iat):
        return True
    cached.revision = revision
    return False


def _revoked_error() -> TokenRevoked:
    return TokenRevoked("its session, subject or client was revoked, or everything was")


def _wait_for_keys(pending: Future[None]) -> CheckFlow[None]:
    try:
        yield pending
    except Exception as error:  # the fetching thread may raise anything; none of it makes the token invalid
        raise Unavailable(f"the issuer's keys could not be fetched: {error_summary(error)}") from error

"""What every verifier shares: its configuration, its memory, and the judgement of one token, written once.

The judgement is a generator that yields what it has to wait for, so that the blocking and the awaiting verifier
differ only in how they wait.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from keyturn.core.claims import ACCESS_TYPE, check_audience, check_issuer, check_times, principal_from_claims
from keyturn.core.freshness import Freshness
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationSet, Verdict
from keyturn.errors import RevocationUnknown, TokenInvalid, TokenRevoked, Unavailable, UnknownKey
from keyturn.tokens.jws import parse_and_verify
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.claims import Claims, read_claims
from keyturn.verifier.keys import KeySource
from keyturn.verifier.metrics import VerifierMetrics
from keyturn.verifier.outage_log import error_summary
from keyturn.verifier.token_cache import CachedToken, TokenCache

Outcome = TypeVar("Outcome")


class Feed(Protocol):
    """Where revocations come from. ``freshness`` runs on the same monotonic clock as the verifier."""

    @property
    def revocations(self) -> RevocationSet: ...
    @property
    def freshness(self) -> Freshness: ...


@runtime_checkable
class RunningFeed(Feed, Protocol):
    """A feed with a thread of its own."""

    def start(self) -> Future[None]:
        """Run from now on, again after a fork. Answers what to wait for: the end of the first try, good or bad."""
        ...


@dataclass(frozen=True, slots=True)
class IntrospectionNeeded:
    """Ask the issuer whether ``token`` is active."""

    token: str = field(repr=False)


CheckFlow = Generator[Future[None] | IntrospectionNeeded, bool, Outcome]
CheckSteps = CheckFlow[Principal]
"""Yields a future to wait for, or a question to ask (answered with whether the token is active)."""


class _NullFeed:
    """No revocation knowledge, by the operator's explicit choice: never stale, and never heard of anything."""

    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(float("inf"), float("inf"))


class TokenChecker:
    """Configuration and memory of one verifier, fixed once made. See ``Verifier`` for what the arguments mean."""

    def __init__(
        self,
        issuer: str,
        audience: str,
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
        self._audience = audience
        self._keys = keys
        self._feed: Feed = _NullFeed() if feed is None else feed
        self._has_feed = feed is not None
        self._clock = clock
        self._monotonic = monotonic
        self._leeway_seconds = leeway_seconds
        # The stricter of both: what the feed declares, and what this service is willing to act on.
        self._bound_seconds = float("inf") if feed is None else min(staleness_seconds, feed.freshness.bound_seconds)
        self._can_introspect = can_introspect
        self._token_cache = TokenCache(token_cache_size)
        self._entries = self._token_cache.entries
        self._hits = 0
        self._misses = 0

    @property
    def issuer(self) -> str:
        """The only ``iss`` that is accepted."""
        return self._issuer

    @property
    def audience(self) -> str:
        """The ``aud`` that must be named."""
        return self._audience

    @property
    def keys(self) -> KeySource:
        """Where keys come from."""
        return self._keys

    @property
    def feed(self) -> Feed:
        """Where revocations come from."""
        return self._feed

    def check_cached(self, token: str) -> Principal | None:
        """The principal of a token seen before, if nothing speaks against it now; ``None`` sends it to judgement.

        Signature and fixed claims are remembered under the whole token and the very key set that proved them, in this
        verifier alone. Expiry, audience and revocation are judged here, on every call. Written straight, for speed.
        """
        cached = self._entries.get(token)
        if cached is None:
            return None
        source, feed = self._keys, self._feed
        now = self._monotonic()
        # Freshness before the set: the set read after is complete up to at least what was judged fresh.
        if (
            cached.keys is not source.current
            or now >= source.due_at
            or not cached.starts_at <= self._clock() < cached.ends_at
            or self._audience not in cached.audiences
            or not now - feed.freshness.complete_as_of <= self._bound_seconds
        ):
            return None
        revocations, claims = feed.revocations, cached.claims
        if (
            cached.sid in revocations.ended
            or cached.generation < revocations.generations.get(claims.sub, 0)
            or claims.iat < revocations.not_before
            or claims.iat < revocations.clients.get(claims.client_id, 0)
        ):
            return None
        self._hits += 1
        return cached.principal

    def metrics(self) -> VerifierMetrics:
        """What there is to watch."""
        feed, age_seconds = self._feed, self._feed.freshness.age(self._monotonic())
        revocations = feed.revocations
        problems = [getattr(each, "problem", "") for each in (self._keys, feed)]
        problem = "; ".join(filter(None, problems))
        return VerifierMetrics(
            age_seconds, len(revocations), revocations.sequence, self._hits, self._misses, len(self._entries), problem
        )

    def check_now(self, token: str) -> Principal | None:
        """Judge a token as far as nothing has to be waited for; ``None`` sends it to ``judge``. Raises as that does."""
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
        """Judge a token with the reasons for every "no". Raises as ``Verifier.__call__``."""
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
            raise Unavailable("the keys of the issuer are not known")
        return keys

    def _check_signature(self, token: str, keys: KeySet) -> CachedToken:
        """All of the judgement but revocation. A good token is remembered."""
        cached = self._entries.get(token)
        if cached is None or cached.keys is not keys:
            return self._read(token, keys)
        now = self._clock()
        if self._audience not in cached.audiences or not cached.starts_at <= now < cached.ends_at:
            self._check_claims(cached.claims, now)
        return cached

    def _read(self, token: str, keys: KeySet) -> CachedToken:
        """Judge a token seen for the first time. Written straight, for speed: ``_check`` has the reasons for a "no"."""
        self._misses += 1
        payload, header = parse_and_verify(token, keys)
        # RFC 9068 section 4, RFC 8725 section 3.11: another token of the same issuer is no access token.
        if header.typ != ACCESS_TYPE:
            raise TokenInvalid(f"typ is {header.typ!r}, not {ACCESS_TYPE}")
        claims, now = read_claims(payload), self._clock()
        audience, issued_at, generation, leeway = claims.aud, claims.iat, claims.gen, self._leeway_seconds
        audiences = (audience,) if isinstance(audience, str) else audience
        starts_at = (issued_at if issued_at > claims.nbf else claims.nbf) - leeway
        ends_at = claims.exp + leeway
        if (
            claims.iss != self._issuer
            or generation < 0
            or not claims.sid
            or self._audience not in audiences
            or not starts_at <= now < ends_at
        ):
            self._check_claims(claims, now)
            generation = max(generation, 0)  # without a feed a token may have none
        cached = CachedToken(
            keys, starts_at, ends_at, audiences, claims.sid.encode(), generation, principal_from_claims(claims), claims
        )
        self._token_cache.insert(token, cached, now)
        return cached

    def _check_claims(self, claims: Claims, now: float) -> None:
        check_issuer(claims, self._issuer)
        if self._has_feed and (not claims.sid or claims.gen < 0):
            raise TokenInvalid("no sid or gen: its revocation could never be known")
        check_audience(claims, self._audience)
        check_times(claims, now, self._leeway_seconds)

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
        """``False`` when it is revoked; ``None`` when nothing says so, but the news is too old to say it is not."""
        feed, claims = self._feed, cached.claims
        # Freshness before the set, as in recall. What is known to be revoked stays so, however old the news.
        is_fresh = self._monotonic() - feed.freshness.complete_as_of <= self._bound_seconds
        revocations = feed.revocations
        if (
            cached.sid in revocations.ended
            or cached.generation < revocations.generations.get(claims.sub, 0)
            or claims.iat < revocations.not_before
            or claims.iat < revocations.clients.get(claims.client_id, 0)
        ):
            return False
        return is_fresh or None

    def _request_introspection(self, token: str) -> CheckFlow[Verdict]:
        if not self._can_introspect:
            raise RevocationUnknown("the feed is older than the staleness bound and nobody can be asked")
        try:
            active = yield IntrospectionNeeded(token)
        except Exception as error:  # whatever introspection fails with, it has said neither yes nor no
            raise RevocationUnknown(f"the feed is stale and introspection failed: {error_summary(error)}") from error
        return Verdict.LIVE if active is True else Verdict.REVOKED


def _revoked_error() -> TokenRevoked:
    return TokenRevoked("its session, subject or client was revoked, or everything was")


def _wait_for_keys(pending: Future[None]) -> CheckFlow[None]:
    try:
        yield pending
    except Exception as error:  # a thread may have failed with anything; none of it says that the login is bad
        raise Unavailable(f"the keys of the issuer could not be fetched: {error_summary(error)}") from error

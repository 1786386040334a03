"""What every verifier shares: its configuration, its memory, and the judgement of one token, written once.

The judgement is a generator that yields what it has to wait for, so that the blocking and the awaiting verifier
differ only in how they wait.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from keyturn.core.claims import ACCESS_TYPE, check_audience, check_issuer, check_times, principal_of
from keyturn.core.freshness import Freshness
from keyturn.core.instant import SessionId
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationSet, Verdict
from keyturn.errors import RevocationUnknown, TokenInvalid, TokenRevoked, Unavailable, UnknownKey
from keyturn.tokens.jws import VerifiedToken, verify_token
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.claims import Claims, read_claims
from keyturn.verifier.keys import KeySource
from keyturn.verifier.memo import Memo, Seen
from keyturn.verifier.polling import HttpFeed

Outcome = TypeVar("Outcome")


class Feed(Protocol):
    """Where revocations come from. ``freshness`` runs on the same monotonic clock as the verifier."""

    @property
    def revocations(self) -> RevocationSet: ...
    @property
    def freshness(self) -> Freshness: ...


@dataclass(frozen=True, slots=True)
class Question:
    """Ask the issuer whether ``token`` is active."""

    token: str


Wait = Generator[Future[None] | Question, bool, Outcome]
Steps = Wait[Principal]
"""Yields a future to wait for, or a question to ask (answered with whether the token is active)."""


class _NoFeed:
    """No revocation knowledge, by the operator's explicit choice: never stale, and never heard of anything."""

    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(float("inf"), float("inf"))


class Judge:
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
        introspects: bool,
        memo_tokens: int,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._feed: Feed = _NoFeed() if feed is None else feed
        self._judges_revocation = feed is not None
        self._clock = clock
        self._monotonic = monotonic
        self._leeway_seconds = leeway_seconds
        # The stricter of both: what the feed declares, and what this service is willing to act on.
        self._bound_seconds = float("inf") if feed is None else min(staleness_seconds, feed.freshness.bound_seconds)
        self._introspects = introspects
        self._memo = Memo(memo_tokens)
        self._entries = self._memo.entries

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

    def recall(self, token: str) -> Principal | None:
        """The principal of a token seen before, if nothing speaks against it now; ``None`` sends it to judgement.

        Signature and fixed claims are remembered under the whole token and the very key set that proved them, in this
        verifier alone. Expiry, audience and revocation are judged here, on every call. Written straight, for speed.
        """
        seen = self._entries.get(token)
        if seen is None:
            return None
        keys, starts_at, ends_at, audiences, sid, subject, generation, client_id, issued_at, principal, _ = seen
        source, feed = self._keys, self._feed
        moment = self._monotonic()
        # Freshness before the set: the set read after is complete up to at least what was judged fresh.
        if (
            keys is not source.current
            or moment >= source.due_at
            or not starts_at <= self._clock() < ends_at
            or self._audience not in audiences
            or not moment - feed.freshness.seen_at <= self._bound_seconds
        ):
            return None
        revoked = feed.revocations
        if (
            sid in revoked.ended
            or generation < revoked.generations.get(subject, 0)
            or issued_at < revoked.not_before
            or issued_at < revoked.clients.get(client_id, 0)
        ):
            return None
        return principal

    def look(self, token: str) -> Principal | None:
        """Judge a token as far as nothing has to be waited for; ``None`` sends it to ``judge``. Raises as that does."""
        source = self._keys
        keys = source.current
        if keys is None or self._monotonic() >= source.due_at:
            return None
        try:
            seen = self._examine(token, keys)
        except UnknownKey:
            return None
        verdict = self._known_verdict(seen)
        _refuse_revoked(verdict)
        return seen.principal if verdict is Verdict.LIVE else None

    def judge(self, token: str) -> Steps:
        """Judge a token with the reasons for every "no". Raises as ``Verifier.__call__``."""
        keys = yield from self._ready_keys()
        try:
            seen = self._examine(token, keys)
        except UnknownKey:
            waiting = self._keys.seek()
            if waiting is None:
                raise
            yield from _wait(waiting)
            seen = self._examine(token, self._keys.current or keys)
        verdict = self._known_verdict(seen)
        if verdict is Verdict.UNKNOWN:
            verdict = yield from self._learn(token, seen)
        _refuse_revoked(verdict)
        return seen.principal

    def _ready_keys(self) -> Wait[KeySet]:
        waiting = self._keys.prepare()
        if waiting is not None:
            yield from _wait(waiting)
        keys = self._keys.current
        if keys is None:
            raise Unavailable("the keys of the issuer are not known")
        return keys

    def _examine(self, token: str, keys: KeySet) -> Seen:
        """All of the judgement but revocation. A good token is remembered."""
        remembered = self._entries.get(token)
        if remembered is not None and remembered.keys is keys:
            seen = remembered
        else:
            seen = self._read(verify_token(token, keys), keys)
        now = self._clock()
        check_audience(seen.claims, self._audience)
        check_times(seen.claims, now, self._leeway_seconds)
        if seen is not remembered:
            self._memo.insert(token, seen, now)
        return seen

    def _read(self, verified: VerifiedToken, keys: KeySet) -> Seen:
        # RFC 9068 section 4, RFC 8725 section 3.11: another token of the same issuer is no access token.
        if verified.typ != ACCESS_TYPE:
            raise TokenInvalid(f"typ is {verified.typ!r}, not {ACCESS_TYPE}")
        claims = read_claims(verified.payload)
        check_issuer(claims, self._issuer)
        if self._judges_revocation and (not claims.sid or claims.gen < 0):
            raise TokenInvalid("no sid or gen: its revocation could never be known")
        return self._seen(claims, keys)

    def _seen(self, claims: Claims, keys: KeySet) -> Seen:
        return Seen(
            keys,
            max(claims.nbf, claims.iat) - self._leeway_seconds,
            claims.exp + self._leeway_seconds,
            (claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud),
            claims.sid,
            claims.sub,
            max(claims.gen, 0),
            claims.client_id,
            claims.iat,
            principal_of(claims),
            claims,
        )

    def _learn(self, token: str, seen: Seen) -> Wait[Verdict]:
        verdict = Verdict.UNKNOWN
        if isinstance(self._feed, HttpFeed):
            waiting = self._feed.start()
            if not waiting.done():
                with suppress(TimeoutError):
                    yield waiting
            verdict = self._known_verdict(seen)
        return (yield from self._ask(token)) if verdict is Verdict.UNKNOWN else verdict

    def _known_verdict(self, seen: Seen) -> Verdict:
        # Freshness before the set, as in recall. What is known to be revoked stays so, however old the news.
        fresh = self._monotonic() - self._feed.freshness.seen_at <= self._bound_seconds
        if self._feed.revocations.revokes(
            SessionId(seen.sid), seen.subject, seen.generation, seen.client_id, seen.issued_at
        ):
            return Verdict.REVOKED
        return Verdict.LIVE if fresh else Verdict.UNKNOWN

    def _ask(self, token: str) -> Wait[Verdict]:
        if not self._introspects:
            raise RevocationUnknown("the feed is older than the staleness bound and nobody can be asked")
        try:
            active = yield Question(token)
        except Exception as error:  # whatever introspection fails with, it has said neither yes nor no
            raise RevocationUnknown(f"the feed is stale and introspection failed: {error!r}") from error
        return Verdict.LIVE if active is True else Verdict.REVOKED


def _refuse_revoked(verdict: Verdict) -> None:
    if verdict is Verdict.REVOKED:
        raise TokenRevoked("its session, subject or client was revoked, or everything was")


def _wait(waiting: Future[None]) -> Wait[None]:
    try:
        yield waiting
    except Exception as error:  # a thread may have failed with anything; none of it says that the login is bad
        raise Unavailable(f"the keys of the issuer could not be fetched: {error!r}") from error

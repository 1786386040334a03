"""One-time values: put, exchange for a session, register a proof.

While the store is away, in quarantine, or clocks disagree about a value, it is refused with 503 and not spent.
"""

from collections.abc import Callable
from contextlib import suppress

from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.one_time import (
    LIMITS,
    VALUE_BYTES,
    Insertion,
    InsertOutcome,
    OneTimeKind,
    OneTimeState,
    OneTimeValue,
    new_one_time_text,
    one_time_digests,
    one_time_state,
    record_replay,
    spend,
)
from keyturn.core.sealed import PlaintextToken
from keyturn.core.session_id import SESSION_ID_BYTES, new_session_id
from keyturn.core.types import Instant, SessionId, Subject, T
from keyturn.errors import (
    ClockUncertain,
    NotFound,
    Overloaded,
    StoreUnavailable,
    Throttled,
    TokenExpired,
    TokenInvalid,
    TokenReused,
)
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.revoke import revoke_session
from keyturn.ports import Entropy, OneTimeStore

REPLAYED = "its one-time value was presented twice"
"""Reason recorded for a session that a replay ended."""

HINT = "This is accepted once and was used before; begin anew."

_RETRY_SECONDS = 60
"""Retry-After of a subject with too many values: the interval of the purge."""


def put_one_time(
    kind: OneTimeKind, subject: str, payload: bytes, lifetime_seconds: int, now: Instant, config: IssuerConfig
) -> Flow[PlaintextToken]:
    """Store a new random value and return its plain text. ``payload``: what it stands for, without secrets.

    Raises ``ValueError`` for a lifetime above the limit of the kind, ``ClockUncertain`` while two clocks differ by more
    than the lifetime, ``Throttled`` and ``Overloaded`` when the subject or the store has too many values.
    """
    if not 0 < lifetime_seconds <= LIMITS[kind].lifetime_seconds:
        raise ValueError(f"a one-time {kind.value} lives at most {LIMITS[kind].lifetime_seconds} s")
    text = new_one_time_text(kind, (yield from call(Entropy.token_bytes, VALUE_BYTES)))
    digest = one_time_digests(kind, text.reveal(), config.secrets)[0]
    value = OneTimeValue(kind, digest, subject, now, Instant(now + lifetime_seconds), payload)
    _require_live(value, now, config)
    if (yield from _insert(value, now)).outcome is InsertOutcome.EXISTS:
        raise ValueError("one-time value taken")  # a broken random source
    return text


def exchange_one_time(
    kind: OneTimeKind,
    text: str,
    make: Callable[[OneTimeValue], Flow[T]],
    now: Instant,
    config: IssuerConfig,
    subject: Subject | None = None,
) -> Flow[T]:
    """Spend a value and return what ``make`` makes of it: at most once, and never for a value that was replayed.

    ``make`` receives the spent value and creates a session under the id ``value.made``, if it creates one; ``subject``
    is the subject of that session, if not the value's. Whatever ``make`` refuses, the value is spent.
    Raises ``TokenMalformed``, ``TokenInvalid`` for an unknown value, ``TokenExpired``, ``ClockUncertain``, and
    ``TokenReused`` for a spent one, whose session is ended.
    """
    value = yield from _take(kind, text, subject, now, config)
    made = yield from make(value)
    # A replay may have looked for the session before it was created: then its record is found here.
    current = yield from call(OneTimeStore.load, kind, value.digest)
    if current is None or current.uses != value.uses:
        yield from _end_replayed(value, now, config)
        raise TokenReused(f"the one-time {kind.value} was presented again while it was exchanged", hint=HINT)
    return made


def register_proof(text: str, subject: str, issued_at: Instant, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Accept the unique id of a proof once (``jti``, RFC 9449 section 11.1). ``issued_at``: checked by the caller.

    Raises ``TokenReused`` for a second use, ``TokenExpired``, ``ClockUncertain``, ``Throttled``, ``Overloaded``, and
    ``StoreUnavailable`` for a proof from before the store was restored: its first use may be lost.
    """
    kind = OneTimeKind.PROOF
    digest, *previous = one_time_digests(kind, text, config.secrets)
    expires_at = Instant(issued_at + LIMITS[kind].lifetime_seconds)
    value = OneTimeValue(kind, digest, subject, issued_at, expires_at)
    _require_live(value, now, config)
    insertion = yield from _insert(value, now)
    is_known = insertion.outcome is InsertOutcome.EXISTS
    for each in previous:
        is_known = is_known or (yield from call(OneTimeStore.load, kind, each)) is not None
    if is_known:
        raise TokenReused("a proof was presented twice", hint=HINT)
    # The clocks of client and issuer may each differ by the leeway.
    if issued_at <= insertion.complete_since + 2 * config.profile.token.leeway_seconds:
        raise StoreUnavailable("the store may have lost proofs as old as this one; the client has to make a new one")


def _take(
    kind: OneTimeKind, text: str, subject: Subject | None, now: Instant, config: IssuerConfig
) -> Flow[OneTimeValue]:
    digests = one_time_digests(kind, text, config.secrets)
    while True:
        value = yield from _find(kind, digests)
        if value.uses:
            yield from _end_replayed(value, now, config)
            raise TokenReused(f"a one-time {kind.value} was presented again", hint=HINT)
        _require_live(value, now, config)
        random_bytes = yield from call(Entropy.token_bytes, SESSION_ID_BYTES)
        spent = spend(value, new_session_id(subject or Subject(value.subject), random_bytes))
        if (yield from call(OneTimeStore.replace, spent)):
            return spent


def _find(kind: OneTimeKind, digests: tuple[bytes, ...]) -> Flow[OneTimeValue]:
    for digest in digests:
        value = yield from call(OneTimeStore.load, kind, digest)
        if value is not None:
            return value
    raise TokenInvalid(f"no such one-time {kind.value}")


def _require_live(value: OneTimeValue, now: Instant, config: IssuerConfig) -> None:
    state = one_time_state(value, now, config.clock_gap_seconds)
    if state is OneTimeState.EXPIRED:
        raise TokenExpired(f"a one-time {value.kind.value} expired at {value.expires_at}")
    if state is not OneTimeState.LIVE:
        raise ClockUncertain(f"the clocks disagree about a one-time {value.kind.value}")


def _insert(value: OneTimeValue, now: Instant) -> Flow[Insertion]:
    insertion = yield from call(OneTimeStore.insert, value, LIMITS[value.kind], now)
    if insertion.outcome is InsertOutcome.SUBJECT_FULL:
        raise Throttled(f"too many one-time {value.kind.value}s of one subject", retry_after_seconds=_RETRY_SECONDS)
    if insertion.outcome is InsertOutcome.FULL:
        raise Overloaded(f"too many one-time {value.kind.value}s are stored", retry_after_seconds=_RETRY_SECONDS)
    return insertion


def _end_replayed(value: OneTimeValue, now: Instant, config: IssuerConfig) -> Flow[None]:
    """End the session that a spent value was exchanged for (RFC 6749 section 4.1.2).

    The record comes first: a session that is created afterwards is ended by its creator, who reads the record.
    """
    is_first_replay = yield from call(OneTimeStore.replace, record_replay(value))
    with suppress(NotFound):
        yield from revoke_session(SessionId(value.made), REPLAYED, now, config)
    if is_first_replay:  # CWE-400: the holder of a spent value must not fill the audit log
        yield from effects.record_event(AuditEventType.TOKEN_REUSED, now, value.subject, value.made)

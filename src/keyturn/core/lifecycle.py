"""Session lifecycle: one table of states and transitions, and the pure functions that apply them."""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import TypedDict

from keyturn.core.policy import SessionPolicy
from keyturn.core.repeats import is_blocked, is_unseen
from keyturn.core.revocation import is_void
from keyturn.core.session import NO_REPEATS, LoadedSession, RevocationFloor, Session
from keyturn.core.types import Instant
from keyturn.errors import (
    ClockUncertain,
    CounterAhead,
    Refusal,
    SessionEnded,
    StoreRestored,
    TokenRevoked,
)


class SessionState(Enum):
    """SessionState of a session at one moment, given its revocation floor and policy."""

    LIVE = "live"
    IDLE = "idle"
    EXPIRED = "expired"
    VOID = "void"
    SUSPENDED = "suspended"
    ENDED = "ended"


class SessionEvent(Enum):
    """Operation requested on a session."""

    TOUCH = "touch"
    RENEW = "renew"
    ROTATE = "rotate"
    STEP_UP = "step_up"
    REVOKE = "revoke"


_USES = (SessionEvent.TOUCH, SessionEvent.RENEW, SessionEvent.ROTATE, SessionEvent.STEP_UP)

SESSION_TRANSITIONS: Mapping[SessionState, Mapping[SessionEvent, SessionState | type[Refusal]]] = {
    SessionState.LIVE: {**dict.fromkeys(_USES, SessionState.LIVE), SessionEvent.REVOKE: SessionState.ENDED},
    SessionState.IDLE: {**dict.fromkeys(_USES, SessionEnded), SessionEvent.REVOKE: SessionState.ENDED},
    SessionState.EXPIRED: {**dict.fromkeys(_USES, SessionEnded), SessionEvent.REVOKE: SessionState.ENDED},
    SessionState.SUSPENDED: {**dict.fromkeys(_USES, StoreRestored), SessionEvent.REVOKE: SessionState.ENDED},
    SessionState.VOID: {**dict.fromkeys(_USES, TokenRevoked), SessionEvent.REVOKE: SessionState.ENDED},
    SessionState.ENDED: {**dict.fromkeys(_USES, TokenRevoked), SessionEvent.REVOKE: SessionState.ENDED},
}
"""For every state and event: the next state, or the refusal to raise. No transition leaves ``ENDED``."""


def session_state(session: Session, floor: RevocationFloor, now: Instant, policy: SessionPolicy) -> SessionState:
    """Return the state of ``session`` at ``now``.

    Ended takes precedence over void, and void over timed out: a revoked session is never reported as a mere timeout.
    Suspended takes precedence over timed out: a restored record does not contain the latest use.
    """
    later = now + policy.clock_gap_seconds
    if session.ended_at is not None:
        return SessionState.ENDED
    if is_void(session.generation, session.created_at, floor.generation, floor.not_before):
        return SessionState.VOID
    if session.created_at < floor.suspended_before:
        return SessionState.SUSPENDED
    if later >= session.created_at + policy.overall_seconds:
        return SessionState.EXPIRED
    if later >= session.last_seen_at + policy.inactivity_seconds:
        return SessionState.IDLE
    return SessionState.LIVE


def require_transition(loaded: LoadedSession, event: SessionEvent, now: Instant, policy: SessionPolicy) -> SessionState:
    """Return the state after ``event``. Raises the refusal that ``SESSION_TRANSITIONS`` names for it.

    Raises ``ClockUncertain`` instead of ``SessionEnded`` while the clocks disagree.
    """
    state = session_state(loaded.session, loaded.floor, now, policy)
    target = SESSION_TRANSITIONS[state][event]
    if isinstance(target, SessionState):
        return target
    if target is SessionEnded and policy.clock_gap_seconds:
        raise ClockUncertain(f"cannot {event.value}: the session is {state.value} by the later of two clocks")
    raise target(f"cannot {event.value}: the session is {state.value}")


def begin_session(draft: Session, floor: RevocationFloor, now: Instant, policy: SessionPolicy) -> Session:
    """Start the timeouts of ``draft``, under the revocation floor read *before* the authentication was checked.

    A revocation of everything sets a not-before one second ahead, so that it also covers its own second. A session
    opened after it is created at that time, never earlier. The same holds for the suspension of a restored database.
    """
    created_at = Instant(max(now, floor.not_before, floor.suspended_before))
    session = replace(
        draft,
        generation=floor.generation,
        created_at=created_at,
        auth_time=now,
        last_seen_at=Instant(max(created_at, now + policy.clock_lead_seconds)),
    )
    return replace(session, expires_at=_expires_at(session, session.last_seen_at, policy))


def touch(loaded: LoadedSession, now: Instant, policy: SessionPolicy) -> Session:
    """Record the use of a session. Return the same object when no write is due."""
    require_transition(loaded, SessionEvent.TOUCH, now, policy)
    session = loaded.session
    if now - session.last_seen_at < policy.touch_seconds:
        return session
    return replace(session, **touched_fields(session, now, policy))


def renew(loaded: LoadedSession, now: Instant, policy: SessionPolicy) -> Session:
    """Renew the session token; every earlier one becomes void (session fixation, CWE-384)."""
    require_transition(loaded, SessionEvent.RENEW, now, policy)
    session = loaded.session
    return replace(session, renewals=session.renewals + 1, **touched_fields(session, now, policy))


def step_up(loaded: LoadedSession, amr: tuple[str, ...], now: Instant, policy: SessionPolicy) -> Session:
    """Record that the subject authenticated again.

    Sets ``auth_time``, adds ``amr`` to the session's methods and renews the session token. From then on a lost
    response of an earlier rotation is no longer assumed. If refresh tokens are blocked, replaces the newest one: every
    party that holds it is refused from then on.
    """
    require_transition(loaded, SessionEvent.STEP_UP, now, policy)
    session = loaded.session
    methods = tuple(dict.fromkeys((*session.amr, *amr)))
    touched = touched_fields(session, now, policy)
    if is_blocked(session, policy):
        session = replace(session, rotations=session.rotations + 1, rotated_at=None)
    return replace(session, auth_time=now, amr=methods, renewals=session.renewals + 1, repeats=NO_REPEATS, **touched)


def revoke(loaded: LoadedSession, reason: str, now: Instant) -> Session:
    """End a session. Return the same object if it has ended before: the first time and reason are kept."""
    session = loaded.session
    if session.ended_at is not None:
        return session
    return replace(session, ended_at=now, end_reason=reason, version=session.version + 1)


def record_access(session: Session, rotation: int | None) -> Session:
    """Record the use of an access token issued with refresh token ``rotation`` (None: unknown, the newest).

    Return the same object if the newest refresh token was seen before, or the access token is older.
    """
    return session if rotation not in (None, session.rotations) else _mark_seen(session, session.version + 1)


def _mark_seen(session: Session, version: int) -> Session:
    if not is_unseen(session):
        return session
    return replace(session, repeats=replace(session.repeats, unseen_rotation=0), version=version)


def check_session_token(loaded: LoadedSession, counter: int, now: Instant, policy: SessionPolicy) -> Session:
    """Check a session token by its counter; only the newest is valid. Return the session, touched when due.

    A session token does not tell with which refresh token it was issued: its use counts as one of the newest.
    Raises ``TokenRevoked`` for an earlier counter, ``CounterAhead`` for a later one, and as ``require_transition``.
    """
    session = touch(loaded, now, policy)
    if counter < session.renewals:
        raise TokenRevoked(f"session token {counter} was replaced by a renewal; the current one is {session.renewals}")
    if counter > session.renewals:
        raise CounterAhead(f"session token {counter} is ahead of the stored {session.renewals}")
    return _mark_seen(session, loaded.session.version + 1)


def ends_at(session: Session, policy: SessionPolicy) -> Instant:
    """Return the overall timeout of the session. No use extends it."""
    return Instant(session.created_at + policy.overall_seconds)


class TouchedFields(TypedDict):
    """Fields that every use of a session changes."""

    last_seen_at: Instant
    expires_at: Instant
    version: int


def touched_fields(session: Session, now: Instant, policy: SessionPolicy) -> TouchedFields:
    # A clock that stepped back must not shorten the session.
    last_seen_at = Instant(max(now + policy.clock_lead_seconds, session.last_seen_at))
    expires_at = _expires_at(session, last_seen_at, policy)
    return {"last_seen_at": last_seen_at, "expires_at": expires_at, "version": session.version + 1}


def _expires_at(session: Session, last_seen_at: Instant, policy: SessionPolicy) -> Instant:
    # The inactivity timeout never exceeds the overall timeout.
    return Instant(min(last_seen_at + policy.inactivity_seconds, ends_at(session, policy)))

"""Rotation of refresh tokens: which counter is answered, which is refused, and which ends the session."""

from dataclasses import dataclass, replace

from keyturn.core.audit import AuditEventType
from keyturn.core.lifecycle import SessionEvent, require_transition, revoke, touched_fields
from keyturn.core.policy import SessionPolicy
from keyturn.core.repeats import after_repeat, after_rotation, exceeds_limit, is_blocked, is_unseen
from keyturn.core.session import LoadedSession, Session
from keyturn.core.types import Instant
from keyturn.errors import ClockUncertain, CounterAhead, Refusal, StepUpRequired, TokenReused

MAX_AHEAD_SECONDS = 60
"""Largest difference between the clocks of two issuers in normal operation."""


@dataclass(frozen=True, slots=True)
class RotationResult:
    """Outcome of a rotation: the session to store, the successor's counter or a refusal, and a security event."""

    session: Session
    counter: int = 0
    refusal: Refusal | None = None
    event: AuditEventType | None = None

    def or_raise(self) -> int:
        """Return the counter of the successor. Raises the refusal, if there is one."""
        if self.refusal is not None:
            raise self.refusal
        return self.counter


def rotate(loaded: LoadedSession, counter: int, now: Instant, policy: SessionPolicy) -> RotationResult:
    """Decide on a refresh token by its counter (RFC 9700 section 4.14.2, with a fixed grace window).

    Equal to the stored counter: rotate.
    One behind, within the grace window or while its response may be lost: the same successor. Both times start at the
    rotation and never slide.
    Ahead: ``CounterAhead``, the store has lost a write.
    One behind while the clocks disagree, and outside the window by one of them: ``ClockUncertain``, no write.
    Any other counter: ``TokenReused``, and the session ends.
    """
    require_transition(loaded, SessionEvent.ROTATE, now, policy)
    session = loaded.session
    if counter > session.rotations:
        refusal = CounterAhead(f"refresh token {counter} is ahead of the stored {session.rotations}")
        return RotationResult(session, refusal=refusal, event=AuditEventType.COUNTER_AHEAD)
    later = Instant(now + policy.clock_gap_seconds)
    is_answered = _is_in_grace(session, counter, later, policy) or _may_be_lost(session, counter, later, policy)
    if counter < session.rotations and not is_answered:
        if counter == session.rotations - 1 and (policy.clock_gap_seconds or _is_dated_ahead(session, now)):
            problem = "two clocks disagree about the end of the grace window"
            return RotationResult(session, refusal=ClockUncertain(problem))
        problem = f"refresh token {counter} was rotated before; the current one is {session.rotations}"
        return _end_as_reused(loaded, problem, now)
    if is_blocked(session, policy):
        return RotationResult(session, refusal=StepUpRequired("refresh tokens are blocked until a step-up"))
    if counter < session.rotations:
        # Late by both clocks: the third late answer ends the session, which one clock alone must not do.
        return _repeat(loaded, now, policy, is_late=not _is_in_grace(session, counter, now, policy))
    return RotationResult(
        replace(
            session,
            rotations=counter + 1,
            rotated_at=Instant(now + policy.clock_lead_seconds),
            repeats=after_rotation(session, policy),
            **touched_fields(session, now, policy),
        ),
        counter + 1,
    )


def _is_in_grace(session: Session, counter: int, now: Instant, policy: SessionPolicy) -> bool:
    if counter != session.rotations - 1 or session.rotated_at is None or _is_dated_ahead(session, now):
        return False
    return now - session.rotated_at <= policy.grace_seconds


def _is_dated_ahead(session: Session, now: Instant) -> bool:
    """Return True if another issuer rotated by a clock far ahead of this one: the age of the rotation is unknown."""
    return session.rotated_at is not None and session.rotated_at > now + MAX_AHEAD_SECONDS


def _may_be_lost(session: Session, counter: int, now: Instant, policy: SessionPolicy) -> bool:
    """Return True if the response with the successor of token ``counter`` may not have reached the client."""
    if counter != session.rotations - 1 or session.rotated_at is None or not is_unseen(session):
        return False
    if _is_dated_ahead(session, now):
        return False
    return now - session.rotated_at <= policy.lost_response_seconds


def _repeat(loaded: LoadedSession, now: Instant, policy: SessionPolicy, *, is_late: bool) -> RotationResult:
    """Issue the newest refresh token again, unless that has now happened too often.

    The first time in the grace window is counted and stored, further times are not; each later answer is.
    """
    session = loaded.session
    repeats = after_repeat(session, is_late=is_late)
    if repeats == session.repeats:
        return RotationResult(session, session.rotations)
    session = replace(session, repeats=repeats, **touched_fields(session, now, policy))
    if not exceeds_limit(session, policy):
        event = AuditEventType.REFRESH_LATE if is_late else AuditEventType.REFRESH_REPEATED
        return RotationResult(session, session.rotations, event=event)
    problem = f"refresh token {session.rotations} was issued again too often"
    if policy.repeat_action == "end":
        return _end_as_reused(loaded, problem, now)
    return RotationResult(session, refusal=StepUpRequired(problem), event=AuditEventType.STEP_UP_REQUIRED)


def _end_as_reused(loaded: LoadedSession, problem: str, now: Instant) -> RotationResult:
    ended = revoke(loaded, "reuse", now)
    return RotationResult(ended, refusal=TokenReused(problem), event=AuditEventType.TOKEN_REUSED)

"""Repeated answers: counts and limits of refresh tokens that are issued more than once. ``rotation`` applies them."""

from dataclasses import replace

from keyturn.core.policy import SessionPolicy
from keyturn.core.session import NO_REPEATS, Repeats, Session

MAX_LATE_ANSWERS = 2
"""Answers to one retired refresh token after the grace window. The third request with it is not answered.

An app that loses three responses in a row has no valid access token left, and logs in anyway.
"""


def is_unseen(session: Session) -> bool:
    """Return True if neither the newest refresh token nor a credential issued with it has been presented."""
    return 0 < session.repeats.unseen_rotation == session.rotations


def is_blocked(session: Session, policy: SessionPolicy) -> bool:
    """Return True if the refresh tokens of the session may not be used before a step-up."""
    return policy.repeat_action == "step_up" and exceeds_limit(session, policy)


def exceeds_limit(session: Session, policy: SessionPolicy) -> bool:
    """Return True if refresh tokens up to the newest one were issued again more often than the policy allows."""
    repeats = session.repeats
    if repeats.rotation != session.rotations:
        return False
    return repeats.late_answers > MAX_LATE_ANSWERS or 0 < policy.repeat_limit <= repeats.in_a_row


def after_rotation(session: Session, policy: SessionPolicy) -> Repeats:
    """Return the counts of ``session`` after a rotation: its successor is unseen if the policy asks for it."""
    if session.repeats is NO_REPEATS and not policy.lost_response_seconds:
        return NO_REPEATS  # nearly every rotation: a copy would be a tenth of its cost
    unseen = session.rotations + 1 if policy.lost_response_seconds else 0
    return replace(session.repeats, unseen_rotation=unseen, late_answers=0)


def after_repeat(session: Session, *, is_late: bool) -> Repeats:
    """Return the counts after the newest refresh token was issued again. Unchanged if that was counted already."""
    repeats, rotation = session.repeats, session.rotations
    is_next = repeats.rotation == rotation - 1
    in_a_row = repeats.in_a_row if repeats.rotation == rotation else 1 + is_next * repeats.in_a_row
    return Repeats(repeats.unseen_rotation, repeats.late_answers + is_late, rotation, in_a_row)


def has_unrecorded_use(session: Session, rotation: int | None) -> bool:
    """Return True if the use of an access token is not recorded in ``session``, a cached copy that may be outdated.

    ``rotation``: counter of the refresh token that it was issued with; None if unknown, which counts as the newest.
    """
    if rotation is not None and rotation > session.rotations:
        return True
    return is_unseen(session) and rotation in (None, session.rotations)

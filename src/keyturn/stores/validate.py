"""Checks for values that some store cannot hold, so that all stores accept the same values."""

from keyturn.core.session import Session
from keyturn.errors import BadRequest


def check_storable(*values: object) -> None:
    """Raise ``BadRequest`` for text or a number that some store cannot hold."""
    try:
        for value in values:
            if isinstance(value, str):
                # JSON may contain a lone surrogate; no database can store it. PostgreSQL cannot store U+0000.
                if b"\0" in value.encode():
                    raise BadRequest("text contains U+0000, which cannot be stored")
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise BadRequest("a number exceeds 64 bits")
    except UnicodeEncodeError:
        raise BadRequest("text contains a lone surrogate, which cannot be stored") from None


def check_storable_session(session: Session) -> None:
    """Raise ``BadRequest`` for a session that some store cannot hold."""
    client = session.client
    check_storable(session.sid, session.subject, session.scope, session.end_reason)
    check_storable(client.client_id, client.label, client.address)
    check_storable(session.generation, session.renewals, session.rotations, session.version)
    check_storable(session.created_at, session.auth_time, session.last_seen_at, session.expires_at)
    check_storable(session.rotated_at, session.ended_at)
    repeats = session.repeats
    check_storable(repeats.unseen_rotation, repeats.late_answers, repeats.rotation, repeats.in_a_row)

"""Decisions about an open connection: which revocation, time or refusal ends it. Pure."""

from enum import Enum
from typing import Literal, TypeAlias

from keyturn.core.principal import Principal
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.errors import Refusal, Unauthenticated


class ConnectionEnd(Enum):
    """Reason for which a connection must be closed; the value is the code of the documented error."""

    SESSION_ENDED = "session_ended"
    """The session was ended, timed out or revoked: the user must log in again."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - the code of an error
    """The access token expired, and no newer one was presented: refresh it and connect again."""
    UNKNOWN = "revocation_unknown"
    """The feed is older than the staleness bound, or the store cannot be read: connect again later."""


class Reload(Enum):
    """The decision needs the stored session."""

    RELOAD = "reload"


Decision: TypeAlias = ConnectionEnd | Literal[Reload.RELOAD] | None
"""End the connection, reload its session first, or keep it open (None)."""


def decide_revocation(principal: Principal, entry: Revocation) -> Decision:
    """Decide if a revocation ends the connection of ``principal``, which it names.

    A renewal of the session token ends none: a step-up must not. A higher generation ends all credentials of a subject
    except the session that a password change keeps: only the store tells which one that is.
    """
    if entry.kind is RevocationKind.SESSION:
        return ConnectionEnd.SESSION_ENDED if entry.value == ENDED else None
    if entry.kind is RevocationKind.SUBJECT:
        return _decide_generation(principal, entry.value)
    return ConnectionEnd.SESSION_ENDED if principal.issued_at < entry.value else None


def decide_revocations(principal: Principal, revocations: RevocationSet, suspended_before: int = 0) -> Decision:
    """Decide if any known revocation ends the connection of ``principal``.

    ``suspended_before``: sessions opened before are not served, because the database was restored; 0 if all are.
    """
    min_generation, not_before = revocations.bounds(principal.subject, principal.client_id)
    if principal.sid.encode() in revocations.ended or principal.issued_at < not_before:
        return ConnectionEnd.SESSION_ENDED
    decision = _decide_generation(principal, min_generation)
    return ConnectionEnd.UNKNOWN if decision is None and principal.issued_at < suspended_before else decision


def decide_time(principal: Principal, now: float, clock_gap_seconds: float = 0) -> Decision:
    """Decide if the credential of ``principal`` has reached its end.

    A session may have been used since, by other requests. No leeway is granted: a connection never outlives ``exp``.
    ``clock_gap_seconds``: positive while two clocks disagree, of which ``now`` is the earlier.
    """
    if now + clock_gap_seconds < principal.credential_expires_at:
        return None
    if principal.credential == "session":
        return Reload.RELOAD
    return ConnectionEnd.TOKEN_EXPIRED if now >= principal.credential_expires_at else ConnectionEnd.UNKNOWN


def decide_refusal(refusal: Refusal) -> ConnectionEnd:
    """Return the end for a session that was refused when it was reloaded."""
    return ConnectionEnd.SESSION_ENDED if isinstance(refusal, Unauthenticated) else ConnectionEnd.UNKNOWN


def _decide_generation(principal: Principal, min_generation: int) -> Decision:
    # A token without a generation (-1) is accepted only without a feed, which brings none.
    if max(principal.generation, 0) >= min_generation:
        return None
    return Reload.RELOAD if principal.credential == "session" else ConnectionEnd.SESSION_ENDED

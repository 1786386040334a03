"""Revoke: end one session, all of a subject, a client's, or everything. Each is durable before it is answered."""

from dataclasses import dataclass

from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, GenerationIncrement, Revocation, RevocationKind
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import NotFound
from keyturn.flows import effects
from keyturn.flows.effects import Flow

LOGOUT = "logout"
"""The reason of a session that its holder ended."""


@dataclass(frozen=True, slots=True)
class RevocationReceipt:
    """``sequence``: ask any verifier if it is at least this fresh. ``within_seconds``: when the last copy stops."""

    sequence: int
    within_seconds: int


def session_end(sid: SessionId, now: Instant, realm: IssuerConfig) -> Revocation:
    """The entry that ends ``sid`` everywhere; kept until no access token of the session can be alive."""
    return Revocation(RevocationKind.SESSION, sid, ENDED, now, _expiry(now, realm))


def session_renewal(sid: SessionId, renewals: int, now: Instant, realm: IssuerConfig) -> Revocation:
    """The entry that voids every session token of ``sid`` before ``renewals``."""
    return Revocation(RevocationKind.SESSION, sid, renewals, now, _expiry(now, realm))


def revoke_session(
    sid: SessionId, reason: str, now: Instant, realm: IssuerConfig, owner: Subject | None = None
) -> Flow[RevocationReceipt]:
    """End one session, of ``owner`` if given. Ending it twice is harmless; the answer covers the first time.

    Raises ``NotFound``, the same for a session that does not exist and one of somebody else.
    """
    while True:
        found = yield from effects.load(sid)
        if found is None or owner not in (None, found.session.subject):
            raise NotFound("no such session of this subject")
        if found.session.ended_at is not None:
            # Logged when it ended; logging it again would let the holder of a dead token fill the log (CWE-400).
            # Another process may have ended it, and this one not have heard yet.
            if not (yield from effects.wait_durable(found.session)):
                continue  # P1: what is read here may be a write that was never acknowledged, and still be lost
            yield from effects.apply_local(session_end(sid, now, realm))
            return _receipt((yield from effects.log_sequence()), realm)
        entry = session_end(sid, now, realm)
        sequence = yield from effects.replace(revoke(found, reason, now), entry)
        if sequence is not None:
            yield from effects.apply_local(entry)
            event = AuditEventType.LOGOUT if reason == LOGOUT else AuditEventType.REVOKED
            yield from effects.audit(event, now, found.session.subject, sid)
            return _receipt(sequence, realm)


def revoke_subject(subject: Subject, now: Instant, realm: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session of ``subject``: what was issued under a smaller generation is void."""
    entry = yield from effects.increment_generation(generation_increment(subject, now, realm))
    yield from effects.apply_local(entry)
    yield from effects.audit(AuditEventType.REVOKED_SUBJECT, now, subject)
    return _receipt(entry.sequence, realm)


def revoke_client(client_id: str, now: Instant, realm: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session of a client."""
    return (yield from _raise_not_before(RevocationKind.CLIENT, client_id, AuditEventType.REVOKED_CLIENT, now, realm))


def revoke_everything(now: Instant, realm: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session there is: for the day a secret or a signing key leaked."""
    return (yield from _raise_not_before(RevocationKind.EVERYTHING, "", AuditEventType.REVOKED_EVERYTHING, now, realm))


def generation_increment(subject: Subject, now: Instant, realm: IssuerConfig) -> GenerationIncrement:
    """A request to raise the generation of ``subject``."""
    return GenerationIncrement(subject, now, _expiry(now, realm))


def _raise_not_before(
    kind: RevocationKind, key: str, event: AuditEventType, now: Instant, realm: IssuerConfig
) -> Flow[RevocationReceipt]:
    # Ahead by the leeway: an issuer whose clock runs ahead has dated its sessions later; and by a second at least, for
    # what was issued earlier in this very second.
    not_before = now + max(1, realm.profile.token.leeway_seconds)
    entry = yield from effects.raise_not_before(Revocation(kind, key, not_before, now, _expiry(now, realm)))
    yield from effects.apply_local(entry)
    yield from effects.audit(event, now)
    return _receipt(entry.sequence, realm)


def _expiry(now: Instant, realm: IssuerConfig) -> Instant:
    return Instant(now + realm.profile.token.retired_seconds)


def _receipt(sequence: int, realm: IssuerConfig) -> RevocationReceipt:
    return RevocationReceipt(sequence, realm.profile.token.staleness_seconds)

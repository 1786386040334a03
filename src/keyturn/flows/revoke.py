"""Revocation of one session, of a subject's or a client's sessions, or of everything.

Each revocation is durable before its flow returns.
"""

from dataclasses import dataclass

from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import LoadedSession
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.errors import NotFound, StoreUnavailable
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.ports import RevocationLog, SessionStore
from keyturn.ports.caches import SessionCache

LOGOUT = "logout"
"""Reason recorded for a session that its owner ended."""


@dataclass(frozen=True, slots=True)
class RevocationReceipt:
    """Receipt of a revocation.

    ``sequence``: a verifier that has read the feed up to this number knows of the revocation.
    ``within_seconds``: time until every verifier and every cache refuses what was revoked.
    """

    sequence: int
    within_seconds: int


def session_end(sid: SessionId, now: Instant, config: IssuerConfig) -> Revocation:
    """Build the log entry that ends ``sid``. It expires after every access token of the session."""
    return Revocation(RevocationKind.SESSION, sid, ENDED, now, _expiry(now, config))


def session_renewal(sid: SessionId, renewals: int, now: Instant, config: IssuerConfig) -> Revocation:
    """Build the log entry that voids every session token of ``sid`` with a counter below ``renewals``."""
    return Revocation(RevocationKind.SESSION, sid, renewals, now, _expiry(now, config))


def revoke_session(
    sid: SessionId, reason: str, now: Instant, config: IssuerConfig, owner: Subject | None = None
) -> Flow[RevocationReceipt]:
    """End one session, of ``owner`` if given. Idempotent: the receipt of a repetition covers the first revocation.

    Raises ``NotFound``, both for a missing session and for one of another subject.
    """
    loaded = yield from _load(sid)
    if owner not in (None, loaded.session.subject):
        raise NotFound("no such session")
    return (yield from revoke_loaded_session(loaded, reason, now, config))


def revoke_loaded_session(
    loaded: LoadedSession, reason: str, now: Instant, config: IssuerConfig
) -> Flow[RevocationReceipt]:
    """End a session that was read from the store, as ``revoke_session`` does."""
    sid = loaded.session.sid
    entry = session_end(sid, now, config)
    while True:
        if loaded.session.ended_at is not None:
            # The log has the entry already. A second one would let the holder of a revoked token fill the log
            # (CWE-400). Apply it to the local cache: another process may have ended the session.
            if (yield from call(SessionStore.wait_durable, loaded.session)):
                yield from call(SessionCache.apply_local, entry)
                return _receipt((yield from call(RevocationLog.sequence)), config)
            # P1: the write that was read may be unacknowledged, and may still be lost
        else:
            sequence = yield from call(SessionStore.replace, revoke(loaded, reason, now), entry)
            if sequence is not None:
                yield from call(SessionCache.apply_local, entry)
                event = AuditEventType.LOGOUT if reason == LOGOUT else AuditEventType.REVOKED
                yield from effects.record_event(event, now, loaded.session.subject, sid)
                return _receipt(sequence, config)
        loaded = yield from _load(sid)


def revoke_subject(subject: Subject, now: Instant, config: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session of ``subject``. Credentials issued under an earlier generation are void."""
    entry = yield from call(SessionStore.increment_generation, generation_increment(subject, now, config))
    yield from call(SessionCache.apply_local, entry)
    yield from effects.record_event(AuditEventType.REVOKED_SUBJECT, now, subject)
    return _receipt(entry.sequence, config)


def revoke_client(client_id: str, now: Instant, config: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session of a client."""
    return (yield from _raise_not_before(RevocationKind.CLIENT, client_id, AuditEventType.REVOKED_CLIENT, now, config))


def revoke_everything(now: Instant, config: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every session of every subject, for example after a secret or a signing key leaked."""
    return (yield from _raise_not_before(RevocationKind.EVERYTHING, "", AuditEventType.REVOKED_EVERYTHING, now, config))


def generation_increment(subject: Subject, now: Instant, config: IssuerConfig) -> GenerationIncrement:
    """Build the request that raises the generation of ``subject``."""
    return GenerationIncrement(subject, now, _expiry(now, config))


def _raise_not_before(
    kind: RevocationKind, key: str, event: AuditEventType, now: Instant, config: IssuerConfig
) -> Flow[RevocationReceipt]:
    # Credentials are dated by the store's clock. Add the leeway for the error of measuring it, and a second at least,
    # to cover those issued earlier within the present second.
    not_before = now + config.profile.session.clock_lead_seconds + max(1, config.profile.token.leeway_seconds)
    last_use = yield from _last_use(key if kind is RevocationKind.CLIENT else None)
    if last_use > not_before:
        not_before = last_use + 1
    entry = yield from call(SessionStore.raise_not_before, Revocation(kind, key, not_before, now, _expiry(now, config)))
    yield from call(SessionCache.apply_local, entry)
    yield from effects.record_event(event, now)
    return _receipt(entry.sequence, config)


def _load(sid: SessionId) -> Flow[LoadedSession]:
    loaded = yield from call(SessionStore.load, sid)
    if loaded is None:
        raise NotFound("no such session")
    return loaded


def _last_use(client_id: str | None) -> Flow[Instant]:
    # This process may have started with a clock that is behind: what the store has seen is a lower bound of the time.
    # A store that cannot say so in time must not prevent the revocation.
    try:
        return (yield from call(SessionStore.last_use, client_id))
    except StoreUnavailable:
        return EPOCH


def _expiry(now: Instant, config: IssuerConfig) -> Instant:
    # By the later of two clocks: otherwise a clock that is behind would make a revocation expire before its tokens.
    return Instant(now + config.clock_gap_seconds + config.profile.token.retired_seconds)


def _receipt(sequence: int, config: IssuerConfig) -> RevocationReceipt:
    return RevocationReceipt(sequence, config.profile.token.staleness_seconds)

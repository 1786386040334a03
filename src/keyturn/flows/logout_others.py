"""Revocation of every session of a subject except one."""

from dataclasses import replace

from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, SessionId
from keyturn.errors import NotFound
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.revoke import RevocationReceipt, generation_increment
from keyturn.flows.step_up import load_live_session
from keyturn.ports import AccountStore
from keyturn.ports.caches import SessionCache


def revoke_other_sessions(sid: SessionId, now: Instant, config: IssuerConfig) -> Flow[RevocationReceipt]:
    """End every other session of the subject of ``sid``, in one transaction: a login at the same time is ended, too.

    Session and refresh tokens of ``sid`` stay valid. Its access tokens end, because they name the former generation.
    Raises ``TokenRevoked`` or ``SessionEnded`` unless ``sid`` is live, ``NotFound`` without an account.
    """
    while True:
        session = (yield from load_live_session(sid, now, config)).session
        account = yield from call(AccountStore.load, session.subject)
        if account is None:
            raise NotFound("no such account")
        new_account = replace(account, version=account.version + 1)
        kept = replace(session, version=session.version + 1)
        increment = generation_increment(session.subject, now, config)
        entry = yield from call(AccountStore.replace_and_revoke, new_account, increment, kept)
        if entry is not None:
            yield from call(SessionCache.apply_local, entry)
            yield from effects.record_event(AuditEventType.REVOKED_OTHERS, now, session.subject, sid)
            return RevocationReceipt(entry.sequence, config.profile.token.staleness_seconds)

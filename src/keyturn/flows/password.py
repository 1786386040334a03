"""Password change. One transaction stores the new hash and ends the other sessions."""

from dataclasses import replace as changed

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import step_up
from keyturn.core.policy import Deliver
from keyturn.core.session import Session
from keyturn.core.types import Instant, SessionId
from keyturn.flows import effects
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.revoke import generation_increment
from keyturn.flows.step_up import AMR, live_session, prove_password


def change_password(
    sid: SessionId, current: str, new: str, deliver: Deliver | None, now: Instant, realm: IssuerConfig
) -> Flow[IssuedCredentials]:
    """Replace the password, renew session ``sid`` and end every other session (OWASP ASVS 5.0 7.4.3).

    Raises ``LoginFailed`` if ``current`` is wrong, ``PasswordRejected``, ``Throttled``, ``Overloaded``,
    ``TokenRevoked``, ``SessionEnded``, ``CredentialsNotOffered``.
    """
    chosen = realm.resolve_delivery(deliver)
    found = yield from live_session(sid, now, realm)
    account = yield from prove_password(found.session, current, now, realm)
    yield from effects.validate_password(new, account.identifier)
    encoded = yield from effects.hash_password(new)
    while True:
        replaced = changed(account, password_hash=encoded, version=account.version + 1)
        session = yield from _replace(replaced, sid, now, realm)
        if session is not None:
            break
        account = yield from _load_proven(account, sid, current, now, realm)
    yield from effects.audit(AuditEventType.PASSWORD_CHANGED, now, session.subject, sid)
    return (yield from issue(session, chosen, now, realm))


def _replace(account: Account, sid: SessionId, now: Instant, realm: IssuerConfig) -> Flow[Session | None]:
    """Store the account, end the other sessions and renew this one atomically. Return None if another write won."""
    found = yield from live_session(sid, now, realm)
    session = step_up(found, AMR, now, realm.profile.session)
    entry = yield from effects.replace_account_and_revoke(
        account, generation_increment(account.subject, now, realm), session
    )
    if entry is None:
        return None
    yield from effects.apply_local(entry)
    return changed(session, generation=entry.value)


def _load_proven(proven: Account, sid: SessionId, current: str, now: Instant, realm: IssuerConfig) -> Flow[Account]:
    """Reload the account after a lost race. Verify its password again if the account has changed."""
    found = yield from live_session(sid, now, realm)
    account = yield from effects.load_account(proven.subject)
    if account is not None and account.version == proven.version:
        return account
    return (yield from prove_password(found.session, current, now, realm))

"""Password change. One transaction stores the new hash and ends the other sessions."""

from dataclasses import replace

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import step_up
from keyturn.core.policy import Deliver
from keyturn.core.session import Session
from keyturn.core.types import Instant, SessionId
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.grants import decide_grant
from keyturn.flows.issue import IssuedCredentials, check_resource, issue
from keyturn.flows.revoke import generation_increment
from keyturn.flows.step_up import AMR, load_live_session, verify_session_password
from keyturn.ports import AccountStore, PasswordHasher, PasswordRules
from keyturn.ports.caches import SessionCache


def change_password(
    sid: SessionId, current: str, new: str, deliver: Deliver | None, now: Instant, config: IssuerConfig
) -> Flow[IssuedCredentials]:
    """Replace the password, renew session ``sid`` and end every other session (OWASP ASVS 5.0 7.4.3).

    Raises ``LoginFailed`` if ``current`` is wrong, ``PasswordRejected``, ``Throttled``, ``Overloaded``,
    ``TokenRevoked``, ``SessionEnded``, ``CredentialsNotOffered``, ``InvalidTarget``, ``GrantsUnavailable``.
    """
    config.require_clocks()
    delivery = config.resolve_delivery(deliver)
    loaded = yield from load_live_session(sid, now, config)
    check_resource(loaded.session, delivery, config)
    account = yield from verify_session_password(loaded.session, current, now, config)
    yield from call(PasswordRules.validate, new, account.identifier)
    encoded = yield from call(PasswordHasher.hash, new)
    while True:
        new_account = replace(account, password_hash=encoded, version=account.version + 1)
        session = yield from _replace(new_account, sid, now, config)
        if session is not None:
            break
        account = yield from _reload_account(account, sid, current, now, config)
    yield from effects.record_event(AuditEventType.PASSWORD_CHANGED, now, session.subject, sid)
    return (yield from issue(session, delivery, now, config))


def _replace(account: Account, sid: SessionId, now: Instant, config: IssuerConfig) -> Flow[Session | None]:
    """Store the account, end the other sessions and renew this one atomically. Return None if another write won."""
    loaded = yield from load_live_session(sid, now, config)
    session = yield from decide_grant(step_up(loaded, AMR, now, config.profile.session))
    entry = yield from call(
        AccountStore.replace_and_revoke, account, generation_increment(account.subject, now, config), session
    )
    if entry is None:
        return None
    yield from call(SessionCache.apply_local, entry)
    return replace(session, generation=entry.value)


def _reload_account(
    old_account: Account, sid: SessionId, current: str, now: Instant, config: IssuerConfig
) -> Flow[Account]:
    """Reload the account after a lost race. Verify its password again if the account has changed."""
    loaded = yield from load_live_session(sid, now, config)
    account = yield from call(AccountStore.load, old_account.subject)
    if account is not None and account.version == old_account.version:
        return account
    return (yield from verify_session_password(loaded.session, current, now, config))

"""Step-up: the subject confirms the password, and the session becomes fresh and gets a new session token."""

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionEvent, require_transition, step_up
from keyturn.core.policy import Deliver
from keyturn.core.session import LoadedSession, Session
from keyturn.core.throttle import Rate
from keyturn.core.types import Instant, SessionId
from keyturn.errors import LoginFailed, TokenRevoked
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.grants import decide_grant
from keyturn.flows.issue import IssuedCredentials, check_resource, issue
from keyturn.flows.load_session import load_session
from keyturn.flows.revoke import session_renewal
from keyturn.flows.throttle import release_if_unavailable, release_reservations, reserve, verify_password
from keyturn.ports import AccountStore, SessionStore
from keyturn.ports.caches import SessionCache

AMR = ("pwd",)
"""Authentication methods of a step-up (RFC 8176)."""


def confirm_password(
    sid: SessionId, password: str, deliver: Deliver | None, now: Instant, config: IssuerConfig
) -> Flow[IssuedCredentials]:
    """Authenticate again within session ``sid`` (RFC 9470).

    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``, ``TokenRevoked``, ``SessionEnded``,
    ``CredentialsNotOffered``, ``GrantsUnavailable``; ``InvalidTarget`` if no configured audience is granted to the
    session any more.
    """
    config.require_clocks()
    delivery = config.resolve_delivery(deliver)
    session = None
    while session is None:
        loaded = yield from load_live_session(sid, now, config)
        check_resource(loaded.session, delivery, config)
        yield from verify_session_password(loaded.session, password, now, config)
        session = yield from _renew(loaded.session, now, config)
    yield from effects.record_event(AuditEventType.STEP_UP, now, session.subject, sid)
    return (yield from issue(session, delivery, now, config))


def load_live_session(sid: SessionId, now: Instant, config: IssuerConfig) -> Flow[LoadedSession]:
    """Load the session from the store. Raises ``TokenRevoked``, ``SessionEnded`` or ``StoreRestored`` unless live."""
    loaded = yield from load_session(sid)
    if loaded is None:
        raise TokenRevoked("the session does not exist")
    require_transition(loaded, SessionEvent.STEP_UP, now, config.profile.session)
    return loaded


def verify_session_password(session: Session, password: str, now: Instant, config: IssuerConfig) -> Flow[Account]:
    """Verify the password of the session's subject. Return the account.

    Attempts are counted per session, so that a stolen session cannot be used to guess the password.
    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``.
    """
    policy = config.profile.throttle
    rate = Rate(policy.device_limit, policy.window_seconds)
    reservations = yield from reserve([("session:" + session.sid, rate)], now)
    account = yield from release_if_unavailable(reservations, call(AccountStore.load, session.subject))
    encoded, identifier = (account.password_hash, account.identifier) if account else (None, session.subject)
    check = yield from verify_password(reservations, encoded, password, identifier)
    if account is None or account.disabled or not check.matches:
        yield from effects.record_event(AuditEventType.LOGIN_FAILED, now, session.subject, session.sid)
        raise LoginFailed("wrong password within a session")
    yield from release_reservations(reservations)
    return account


def _renew(verified_session: Session, now: Instant, config: IssuerConfig) -> Flow[Session | None]:
    """Store the renewed session. Every earlier session token of it becomes void.

    Return None if the generation has changed since the password was verified: that password may be the old one.
    """
    while True:
        loaded = yield from load_live_session(verified_session.sid, now, config)
        if loaded.session.generation != verified_session.generation:
            return None
        session = yield from decide_grant(step_up(loaded, AMR, now, config.profile.session))
        entry = session_renewal(session.sid, session.renewals, now, config)
        if (yield from call(SessionStore.replace, session, entry)) is not None:
            yield from call(SessionCache.apply_local, entry)
            return session

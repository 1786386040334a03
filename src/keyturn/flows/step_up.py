"""Step-up: the subject confirms the password, and the session becomes fresh and gets a new session token."""

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import Event, require_transition, step_up
from keyturn.core.policy import Deliver
from keyturn.core.session import LoadedSession, Session
from keyturn.core.throttle import Rate
from keyturn.core.types import Instant, SessionId
from keyturn.errors import LoginFailed, TokenRevoked
from keyturn.flows import effects
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.revoke import session_renewal
from keyturn.flows.throttle import release_if_unavailable, release_reservations, reserve, verify_password

AMR = ("pwd",)
"""Authentication methods of a step-up (RFC 8176)."""


def confirm_password(
    sid: SessionId, password: str, deliver: Deliver | None, now: Instant, realm: IssuerConfig
) -> Flow[IssuedCredentials]:
    """Authenticate again within session ``sid`` (RFC 9470).

    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``, ``TokenRevoked``, ``SessionEnded``,
    ``CredentialsNotOffered``.
    """
    chosen = realm.resolve_delivery(deliver)
    session = None
    while session is None:
        found = yield from live_session(sid, now, realm)
        yield from prove_password(found.session, password, now, realm)
        session = yield from _renewed(found.session, now, realm)
    yield from effects.audit(AuditEventType.STEP_UP, now, session.subject, sid)
    return (yield from issue(session, chosen, now, realm))


def live_session(sid: SessionId, now: Instant, realm: IssuerConfig) -> Flow[LoadedSession]:
    """Load the session from the store. Raises ``TokenRevoked`` or ``SessionEnded`` unless it is live."""
    found = yield from effects.load(sid)
    if found is None:
        raise TokenRevoked("the session is gone")
    require_transition(found, Event.STEP_UP, now, realm.profile.session)
    return found


def prove_password(session: Session, password: str, now: Instant, realm: IssuerConfig) -> Flow[Account]:
    """Verify the password of the session's subject. Return the account.

    Attempts are counted per session, so that a stolen session cannot be used to guess the password.
    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``.
    """
    policy = realm.profile.throttle
    rate = Rate(policy.device_limit, policy.window_seconds)
    held = yield from reserve([("session:" + session.sid, rate)], now)
    account = yield from release_if_unavailable(held, effects.load_account(session.subject))
    verdict = yield from verify_password(held, account.password_hash if account else None, password)
    if account is None or account.disabled or not verdict.matches:
        yield from effects.audit(AuditEventType.LOGIN_FAILED, now, session.subject, session.sid)
        raise LoginFailed("wrong password within a session")
    yield from release_reservations(held)
    return account


def _renewed(proven: Session, now: Instant, realm: IssuerConfig) -> Flow[Session | None]:
    """Store the renewed session. Every earlier session token of it becomes void.

    Return None if the generation has changed since the password was verified: that password may be the old one.
    """
    while True:
        found = yield from live_session(proven.sid, now, realm)
        if found.session.generation != proven.generation:
            return None
        session = step_up(found, AMR, now, realm.profile.session)
        entry = session_renewal(session.sid, session.renewals, now, realm)
        if (yield from effects.replace(session, entry)) is not None:
            yield from effects.apply_local(entry)
            return session

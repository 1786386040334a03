"""Login with a password."""

from dataclasses import replace

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.session import RevocationFloor
from keyturn.core.throttle import verify_device_cookie
from keyturn.core.types import Instant, Subject
from keyturn.errors import LoginFailed, Overloaded, PasswordRejected, StoreUnavailable, Throttled
from keyturn.flows import effects
from keyturn.flows.create_session import LoginAttempt, check_attempt, create_session, device_secret, issue_device_cookie
from keyturn.flows.effects import Flow, call
from keyturn.flows.end_previous_login import revoke_previous_sessions
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.throttle import (
    AttemptReservation,
    release_if_unavailable,
    release_reservations,
    reserve_login,
    verify_password,
)
from keyturn.ports import AccountStore, PasswordHasher, SessionStore


def login(request: LoginAttempt, now: Instant, config: IssuerConfig) -> Flow[IssuedCredentials]:
    """Verify the password, create a session and issue its credentials.

    Raises ``LoginFailed`` (the same error after the same work for every cause), ``Throttled``, ``Overloaded``,
    ``CredentialsNotOffered``, ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``, ``GrantsUnavailable``,
    ``TooManySessions``.
    """
    config.require_clocks()
    deliver = check_attempt(request, config)
    identifier = config.normalise_identifier(request.identifier)
    nonce = verify_device_cookie(request.device_token or "", identifier, device_secret(config))
    reservations = yield from _reserve(request, identifier, nonce, now, config)
    account, floor = yield from _authenticate(request, identifier, reservations, now)
    session = yield from create_session(account.subject, floor, request, now, config, account_scope=account.scope)
    issued = yield from issue(session, deliver, now, config)
    yield from revoke_previous_sessions(request.replaces, session.sid, now, config)
    return replace(issued, device_token=(yield from issue_device_cookie(identifier, nonce, config)))


def _reserve(
    request: LoginAttempt, identifier: str, nonce: bytes | None, now: Instant, config: IssuerConfig
) -> Flow[list[AttemptReservation]]:
    address = request.client.address
    try:
        return (yield from reserve_login(identifier, address, nonce, now, config.profile.throttle))
    except Throttled:
        yield from effects.record_event(AuditEventType.LOGIN_THROTTLED, now, address=address)
        raise


def load_account(identifier: str, client_id: str) -> Flow[tuple[Account | None, RevocationFloor]]:
    """Return an account, and the revocation floor for a new session of it."""
    # Read the account and the revocation floor as of the same moment (CWE-367). A password change or a disabled account
    # between the two reads raises the generation: the old password must not open a session under the new generation,
    # nor the new password one under the old generation.
    account = yield from call(AccountStore.find, identifier)
    while True:
        subject = account.subject if account else Subject("")
        floor = yield from call(SessionStore.revocation_floor, subject, client_id)
        latest = yield from call(AccountStore.find, identifier)
        if latest == account:
            return account, floor
        account = latest


def _authenticate(
    request: LoginAttempt, identifier: str, reservations: list[AttemptReservation], now: Instant
) -> Flow[tuple[Account, RevocationFloor]]:
    account, floor = yield from release_if_unavailable(reservations, load_account(identifier, request.client.client_id))
    subject = account.subject if account else Subject("")
    # CWE-208: the same work for an account that does not exist.
    encoded = account.password_hash if account else None
    check = yield from verify_password(reservations, encoded, request.password, identifier)
    if account is None or account.disabled or not check.matches:
        yield from effects.record_event(AuditEventType.LOGIN_FAILED, now, subject, address=request.client.address)
        raise LoginFailed("unknown account, disabled account or wrong password")
    yield from release_reservations(reservations)
    if check.needs_rehash:
        yield from _upgrade_hash(account, request.password)
    return account, floor


def _upgrade_hash(account: Account, password: str) -> Flow[None]:
    """Store a hash with the present parameters. If that fails, the login goes on, and the next one tries again."""
    try:
        new_hash = yield from call(PasswordHasher.hash, password)
        yield from call(AccountStore.replace, replace(account, password_hash=new_hash, version=account.version + 1))
    except (Overloaded, PasswordRejected, StoreUnavailable):
        # The password has matched: a full queue, a newer password rule or a full disk must not refuse its owner.
        return

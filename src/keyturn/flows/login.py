"""Login with a password."""

from dataclasses import replace as changed

from keyturn.core.account import Account, normalise_identifier
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.payload_guard import guard_payload
from keyturn.core.session import RevocationFloor
from keyturn.core.throttle import verify_device_cookie
from keyturn.core.types import Instant, Subject
from keyturn.errors import LoginFailed, Throttled
from keyturn.flows import effects
from keyturn.flows.create_session import LoginRequest, create_session, device_secret, issue_device_cookie
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.throttle import (
    AttemptReservation,
    release_if_unavailable,
    release_reservations,
    reserve_login,
    verify_password,
)


def login(attempt: LoginRequest, now: Instant, realm: IssuerConfig) -> Flow[IssuedCredentials]:
    """Verify the password, create a session and issue its credentials.

    Raises ``LoginFailed`` (the same error after the same work for every cause), ``Throttled``, ``Overloaded``,
    ``CredentialsNotOffered``, ``PayloadRefused``.
    """
    deliver = realm.resolve_delivery(attempt.deliver)
    guard_payload(attempt.claims)
    identifier = normalise_identifier(attempt.identifier)
    nonce = verify_device_cookie(attempt.device_token or "", identifier, device_secret(realm))
    held = yield from _reserve(attempt, identifier, nonce, now, realm)
    account, marks = yield from _authenticate(attempt, identifier, held, now)
    session = yield from create_session(account.subject, marks, attempt, now, realm)
    issued = yield from issue(session, deliver, now, realm)
    return changed(issued, device_token=(yield from issue_device_cookie(identifier, nonce, realm)))


def _reserve(
    attempt: LoginRequest, identifier: str, nonce: bytes | None, now: Instant, realm: IssuerConfig
) -> Flow[list[AttemptReservation]]:
    address = attempt.client.address
    try:
        return (yield from reserve_login(identifier, address, nonce, now, realm.profile.throttle))
    except Throttled:
        yield from effects.audit(AuditEventType.LOGIN_THROTTLED, now, address=address)
        raise


def _load_account(identifier: str, client_id: str) -> Flow[tuple[Account | None, RevocationFloor]]:
    # Read the account and the revocation floor as of the same moment (CWE-367). A password change or a disabled account
    # between the two reads raises the generation: the old password must not open a session under the new generation,
    # nor the new password one under the old generation.
    account = yield from effects.find_account(identifier)
    while True:
        subject = account.subject if account else Subject("")
        marks = yield from effects.revocation_floor(subject, client_id)
        again = yield from effects.find_account(identifier)
        if again == account:
            return account, marks
        account = again


def _authenticate(
    attempt: LoginRequest, identifier: str, held: list[AttemptReservation], now: Instant
) -> Flow[tuple[Account, RevocationFloor]]:
    account, marks = yield from release_if_unavailable(held, _load_account(identifier, attempt.client.client_id))
    subject = account.subject if account else Subject("")
    # CWE-208: the same work for an account that does not exist.
    verdict = yield from verify_password(held, account.password_hash if account else None, attempt.password)
    if account is None or account.disabled or not verdict.matches:
        yield from effects.audit(AuditEventType.LOGIN_FAILED, now, subject, address=attempt.client.address)
        raise LoginFailed("unknown, disabled or wrong password")
    yield from release_reservations(held)
    if verdict.needs_rehash:
        rehashed = yield from effects.hash_password(attempt.password)
        yield from effects.replace_account(changed(account, password_hash=rehashed, version=account.version + 1))
    return account, marks

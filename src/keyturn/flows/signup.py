"""Signup: creation of an account and of its first session."""

from dataclasses import replace as changed

from keyturn.core.account import Account, normalise_identifier
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.payload_guard import guard_payload
from keyturn.core.throttle import Rate, address_key
from keyturn.core.types import Instant, Subject
from keyturn.errors import AccountExists
from keyturn.flows import effects
from keyturn.flows.create_session import LoginRequest, create_session, issue_device_cookie, new_id
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.throttle import AttemptReservation, release_if_unavailable, reserve


def signup(attempt: LoginRequest, now: Instant, realm: IssuerConfig) -> Flow[IssuedCredentials]:
    """Create an account, create its first session and issue its credentials.

    Raises ``PasswordRejected`` with a reason for the user, ``AccountExists``, ``Throttled``, ``Overloaded``,
    ``CredentialsNotOffered``, ``PayloadRefused``, ``BadRequest``.
    """
    deliver = realm.resolve_delivery(attempt.deliver)
    guard_payload(attempt.claims)
    identifier = normalise_identifier(attempt.identifier)
    yield from effects.validate_password(attempt.password, identifier)
    held = yield from _reserve(attempt.client.address, now, realm)
    # Read the floor before the account is created: if the account is disabled at once, its generation rises, and this
    # session must not be created under the raised generation.
    subject = Subject((yield from new_id()))
    marks = yield from release_if_unavailable(held, effects.revocation_floor(subject, attempt.client.client_id))
    hashed = yield from release_if_unavailable(held, effects.hash_password(attempt.password))
    account = yield from _create(Account(subject, identifier, hashed, now))
    session = yield from create_session(account.subject, marks, attempt, now, realm)
    issued = yield from issue(session, deliver, now, realm)
    return changed(issued, device_token=(yield from issue_device_cookie(identifier, None, realm)))


def _reserve(address: str, now: Instant, realm: IssuerConfig) -> Flow[list[AttemptReservation]]:
    # A reservation is not released after the hashing: the signup cost a password hash and may probe for an account.
    policy = realm.profile.throttle
    rate = Rate(policy.signup_limit, policy.window_seconds)
    return (yield from reserve([("signup-" + address_key(address), rate)], now))


def _create(account: Account) -> Flow[Account]:
    if not (yield from effects.insert_account(account)):
        raise AccountExists("identifier is taken")
    yield from effects.audit(AuditEventType.SIGNUP, account.created_at, account.subject)
    return account

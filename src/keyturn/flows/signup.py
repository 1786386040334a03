"""Signup: creation of an account and of its first session."""

from dataclasses import replace

from keyturn.core.account import Account
from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.session import RevocationFloor
from keyturn.core.throttle import Rate, address_key
from keyturn.core.types import Instant, Subject
from keyturn.errors import AccountExists, LoginFailed
from keyturn.flows import effects
from keyturn.flows.create_session import LoginAttempt, check_attempt, create_session, issue_device_cookie, new_id
from keyturn.flows.effects import Flow, call
from keyturn.flows.end_previous_login import revoke_previous_sessions
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.flows.login import load_account
from keyturn.flows.throttle import AttemptReservation, release_if_unavailable, reserve
from keyturn.ports import AccountStore, PasswordHasher, PasswordRules, SessionStore


def signup(request: LoginAttempt, now: Instant, config: IssuerConfig) -> Flow[IssuedCredentials]:
    """Create an account, create its first session and issue its credentials.

    Raises ``PasswordRejected`` with a reason for the user, ``AccountExists``, ``Throttled``, ``Overloaded``,
    ``CredentialsNotOffered``, ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``, ``BadRequest``, and
    ``GrantsUnavailable``: the account exists then, and its owner can log in.
    """
    config.require_clocks()
    deliver = check_attempt(request, config)
    identifier = config.normalise_identifier(request.identifier)
    yield from call(PasswordRules.validate, request.password, identifier)
    reservations = yield from _reserve(request.client.address, now, config)
    # Read the floor before the account is created: if the account is disabled at once, its generation rises, and this
    # session must not be created under the raised generation.
    subject = Subject((yield from new_id()))
    floor = yield from release_if_unavailable(
        reservations, call(SessionStore.revocation_floor, subject, request.client.client_id)
    )
    password_hash = yield from release_if_unavailable(reservations, call(PasswordHasher.hash, request.password))
    account = yield from _create(Account(subject, identifier, password_hash, now))
    if config.has_own_accounts:
        account, floor = yield from _load_created(account, request.client.client_id)
    session = yield from create_session(account.subject, floor, request, now, config)
    issued = yield from issue(session, deliver, now, config)
    yield from revoke_previous_sessions(request.replaces, session.sid, now, config)
    return replace(issued, device_token=(yield from issue_device_cookie(identifier, None, config)))


def _reserve(address: str, now: Instant, config: IssuerConfig) -> Flow[list[AttemptReservation]]:
    # A reservation is not released after the hashing: the signup cost a password hash and may probe for an account.
    policy = config.profile.throttle
    rate = Rate(policy.signup_limit, policy.window_seconds)
    return (yield from reserve([("signup-" + address_key(address), rate)], now))


def _load_created(created: Account, client_id: str) -> Flow[tuple[Account, RevocationFloor]]:
    """Load an account whose subject the application has chosen. Raises ``LoginFailed`` if it was changed since."""
    account, floor = yield from load_account(created.identifier, client_id)
    if account is None or account.disabled or account.password_hash != created.password_hash:
        raise LoginFailed("the new account is inactive, or has another password already")
    return account, floor


def _create(account: Account) -> Flow[Account]:
    if not (yield from call(AccountStore.insert, account)):
        raise AccountExists("an account with this identifier exists")
    yield from effects.record_event(AuditEventType.SIGNUP, account.created_at, account.subject)
    return account

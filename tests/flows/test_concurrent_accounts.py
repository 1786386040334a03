"""Requests on one account at once: logins, password changes and disabling, and the counters of attempts."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, refused
from flows.race import run_against
from interleavings.harness import ADA, NEW, OLD, T0
from keyturn.core.account import Account
from keyturn.core.sealed import CredentialKind
from keyturn.core.throttle import Rate
from keyturn.errors import (
    LoginFailed,
    Overloaded,
    PasswordRejected,
    Refusal,
    StoreUnavailable,
    Throttled,
    TokenRevoked,
)
from keyturn.flows.accounts import set_disabled
from keyturn.flows.effects import Flow
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.signup import signup
from keyturn.flows.throttle import AttemptReservation, release_reservations, reserve
from keyturn.flows.verify import verify_session

BOB = "bob@example.com"


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def account(flows: FlowFixture) -> Account:
    stored = flows.store.accounts.find(ADA)
    assert stored
    return stored


def log_in(flows: FlowFixture, password: str = OLD) -> Flow[Any]:
    return login(flows.attempt(password), T0, flows.realm)


def change(flows: FlowFixture, new: str = NEW) -> Flow[Any]:
    return change_password(flows.sid, OLD, new, "both", T0, flows.realm)


def outdate(flows: FlowFixture) -> None:
    """Leave the account with a hash of earlier parameters (see ``Hasher``)."""
    current = account(flows)
    assert flows.store.accounts.replace(replace(current, password_hash="old:" + OLD, version=current.version + 1))


# --- login ---


def test_a_login_with_an_outdated_hash_stores_a_current_one(flows: FlowFixture) -> None:
    outdate(flows)
    version = account(flows).version
    assert flows.run(log_in(flows)).subject == flows.x.subject
    assert account(flows).password_hash == flows.ports.hasher.hash(OLD)
    flows.run(log_in(flows))
    assert account(flows).version == version + 1, "a current hash is not stored again"


@pytest.mark.parametrize("step", ["hasher.hash", "accounts.replace"])
@pytest.mark.parametrize("refusal", [Overloaded("full"), PasswordRejected("now too short"), StoreUnavailable("full")])
def test_a_login_succeeds_when_its_hash_cannot_be_upgraded(flows: FlowFixture, step: str, refusal: Refusal) -> None:
    outdate(flows)

    def fail() -> None:
        raise refusal

    issued = run_against(flows, log_in(flows), step, fail)
    assert flows.run(verify_session(issued.session_token.reveal(), T0, flows.realm)).sid == issued.sid
    assert account(flows).password_hash == "old:" + OLD
    flows.run(log_in(flows))
    assert account(flows).password_hash == flows.ports.hasher.hash(OLD), "the next login upgrades it"


def test_a_rehash_that_loses_to_a_password_change_leaves_the_new_password(flows: FlowFixture) -> None:
    outdate(flows)
    issued = run_against(flows, log_in(flows), "hasher.hash", lambda: flows.run(change(flows)))
    assert account(flows).password_hash == flows.ports.hasher.hash(NEW)
    refused(flows, TokenRevoked, verify_session(issued.session_token.reveal(), T0, flows.realm))


def test_a_password_changed_while_a_login_reads_refuses_the_old_one(flows: FlowFixture) -> None:
    """The generation is read after the change: the old password must not open a session under it."""
    with pytest.raises(LoginFailed):
        run_against(flows, log_in(flows), "sessions.revocation_floor", lambda: flows.run(change(flows)))


def test_a_password_changed_while_a_login_reads_admits_the_new_one(flows: FlowFixture) -> None:
    issued = run_against(flows, log_in(flows, NEW), "sessions.revocation_floor", lambda: flows.run(change(flows)))
    assert flows.run(verify_session(issued.session_token.reveal(), T0, flows.realm)).sid == issued.sid


def test_an_account_created_while_a_login_reads_is_logged_in(flows: FlowFixture) -> None:
    attempt = flows.attempt(OLD, BOB)
    create = signup(attempt, T0, flows.realm)
    issued = run_against(flows, login(attempt, T0, flows.realm), "sessions.revocation_floor", lambda: flows.run(create))
    created = flows.store.accounts.find(BOB)
    assert created
    assert issued.subject == created.subject


# --- password ---


def test_a_password_change_that_loses_to_a_refresh_keeps_the_rotation(flows: FlowFixture) -> None:
    rotate = refresh(flows.sealed(CredentialKind.REFRESH, 0), "tokens", T0, flows.realm)
    issued = run_against(flows, change(flows), "accounts.replace_and_revoke", lambda: flows.run(rotate))
    assert issued.refresh_token.reveal() == flows.sealed(CredentialKind.REFRESH, 1)
    assert flows.run(verify_session(issued.session_token.reveal(), T0, flows.realm)).sid == flows.sid
    assert account(flows).password_hash == flows.ports.hasher.hash(NEW)


def test_a_password_change_that_loses_to_a_rehash_ends_the_session_of_that_login(flows: FlowFixture) -> None:
    outdate(flows)
    logins: list[Any] = []
    rival = lambda: logins.append(flows.run(log_in(flows)))  # noqa: E731 - run later, by the race
    issued = run_against(flows, change(flows), "accounts.replace_and_revoke", rival)
    assert account(flows).password_hash == flows.ports.hasher.hash(NEW)
    assert flows.run(verify_session(issued.session_token.reveal(), T0, flows.realm)).sid == flows.sid
    refused(flows, TokenRevoked, verify_session(logins[0].session_token.reveal(), T0, flows.realm))


def test_a_password_change_loses_to_a_concurrent_password_change(flows: FlowFixture) -> None:
    """The session stays, the other request kept it: only the proof of the current password is void."""
    other = change(flows, "password of the other request")
    with pytest.raises(LoginFailed):
        run_against(flows, change(flows), "accounts.replace_and_revoke", lambda: flows.run(other))
    assert account(flows).password_hash == flows.ports.hasher.hash("password of the other request")


def test_a_password_change_loses_to_a_concurrent_end_of_its_session(flows: FlowFixture) -> None:
    other = change_password(flows.y.sid, OLD, "password of the other request", None, T0, flows.realm)
    with pytest.raises(TokenRevoked):
        run_against(flows, change(flows), "accounts.replace_and_revoke", lambda: flows.run(other))
    assert account(flows).password_hash == flows.ports.hasher.hash("password of the other request")


# --- disabling ---


def test_disabling_that_loses_to_a_password_change_disables_and_keeps_the_password(flows: FlowFixture) -> None:
    disable = set_disabled(flows.x.subject, True, T0, flows.realm)
    changed: list[Any] = []
    rival = lambda: changed.append(flows.run(change(flows)))  # noqa: E731 - run later, by the race
    run_against(flows, disable, "accounts.replace_and_revoke", rival)
    assert (account(flows).disabled, account(flows).password_hash) == (True, flows.ports.hasher.hash(NEW))
    refused(flows, LoginFailed, log_in(flows, NEW))
    refused(flows, TokenRevoked, verify_session(changed[0].session_token.reveal(), T0, flows.realm))


# --- attempts ---

KEY, RATE = "session:one", Rate(10, 900)


def attempts(flows: FlowFixture) -> float:
    return flows.store.throttles._buckets[KEY].level / RATE.cost_seconds


def count(flows: FlowFixture, rate: Rate = RATE) -> list[AttemptReservation]:
    reserved: list[AttemptReservation] = flows.run(reserve([(KEY, rate)], T0))
    return reserved


def test_two_attempts_reserved_at_once_are_both_counted(flows: FlowFixture) -> None:
    run_against(flows, reserve([(KEY, RATE)], T0), "throttles.replace", lambda: count(flows))
    assert attempts(flows) == 2


def test_a_last_attempt_is_admitted_once_of_two_at_once(flows: FlowFixture) -> None:
    only = Rate(1, 900)
    with pytest.raises(Throttled):
        run_against(flows, reserve([(KEY, only)], T0), "throttles.replace", lambda: count(flows, only))


def test_an_attempt_given_back_while_another_is_reserved_leaves_that_one_counted(flows: FlowFixture) -> None:
    own = count(flows)
    run_against(flows, release_reservations(own), "throttles.replace", lambda: count(flows))
    assert attempts(flows) == 1

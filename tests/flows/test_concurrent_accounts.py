"""Requests on one account at once: logins, password changes and disabling, and the counters of attempts."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import Stage, refused
from flows.race import run_against
from interleavings.harness import ADA, NEW, OLD, T0
from keyturn.core.account import Account
from keyturn.core.sealed import CredentialKind
from keyturn.core.throttle import Rate
from keyturn.errors import LoginFailed, Throttled, TokenRevoked
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
def stage() -> Stage:
    return Stage()


def account(stage: Stage) -> Account:
    stored = stage.store.accounts.find(ADA)
    assert stored
    return stored


def log_in(stage: Stage, password: str = OLD) -> Flow[Any]:
    return login(stage.attempt(password), T0, stage.realm)


def change(stage: Stage, new: str = NEW) -> Flow[Any]:
    return change_password(stage.sid, OLD, new, "both", T0, stage.realm)


def outdate(stage: Stage) -> None:
    """Leave the account with a hash of earlier parameters (see ``Hasher``)."""
    current = account(stage)
    assert stage.store.accounts.replace(replace(current, password_hash="old:" + OLD, version=current.version + 1))


# --- login ---


def test_a_login_with_an_outdated_hash_stores_a_current_one(stage: Stage) -> None:
    outdate(stage)
    version = account(stage).version
    assert stage.run(log_in(stage)).subject == stage.x.subject
    assert account(stage).password_hash == stage.ports.hasher.hash(OLD)
    stage.run(log_in(stage))
    assert account(stage).version == version + 1, "a current hash is not stored again"


def test_a_rehash_that_loses_to_a_password_change_leaves_the_new_password(stage: Stage) -> None:
    outdate(stage)
    issued = run_against(stage, log_in(stage), "hasher.hash", lambda: stage.run(change(stage)))
    assert account(stage).password_hash == stage.ports.hasher.hash(NEW)
    refused(stage, TokenRevoked, verify_session(issued.session_token.reveal(), T0, stage.realm))


def test_a_password_changed_while_a_login_reads_refuses_the_old_one(stage: Stage) -> None:
    """The generation is read after the change: the old password must not open a session under it."""
    with pytest.raises(LoginFailed):
        run_against(stage, log_in(stage), "sessions.revocation_floor", lambda: stage.run(change(stage)))


def test_a_password_changed_while_a_login_reads_admits_the_new_one(stage: Stage) -> None:
    issued = run_against(stage, log_in(stage, NEW), "sessions.revocation_floor", lambda: stage.run(change(stage)))
    assert stage.run(verify_session(issued.session_token.reveal(), T0, stage.realm)).sid == issued.sid


def test_an_account_created_while_a_login_reads_is_logged_in(stage: Stage) -> None:
    attempt = stage.attempt(OLD, BOB)
    create = signup(attempt, T0, stage.realm)
    issued = run_against(stage, login(attempt, T0, stage.realm), "sessions.revocation_floor", lambda: stage.run(create))
    created = stage.store.accounts.find(BOB)
    assert created
    assert issued.subject == created.subject


# --- password ---


def test_a_password_change_that_loses_to_a_refresh_keeps_the_rotation(stage: Stage) -> None:
    rotate = refresh(stage.sealed(CredentialKind.REFRESH, 0), "tokens", T0, stage.realm)
    issued = run_against(stage, change(stage), "accounts.replace_and_revoke", lambda: stage.run(rotate))
    assert issued.refresh_token.reveal() == stage.sealed(CredentialKind.REFRESH, 1)
    assert stage.run(verify_session(issued.session_token.reveal(), T0, stage.realm)).sid == stage.sid
    assert account(stage).password_hash == stage.ports.hasher.hash(NEW)


def test_a_password_change_that_loses_to_a_rehash_ends_the_session_of_that_login(stage: Stage) -> None:
    outdate(stage)
    logins: list[Any] = []
    rival = lambda: logins.append(stage.run(log_in(stage)))  # noqa: E731 - run later, by the race
    issued = run_against(stage, change(stage), "accounts.replace_and_revoke", rival)
    assert account(stage).password_hash == stage.ports.hasher.hash(NEW)
    assert stage.run(verify_session(issued.session_token.reveal(), T0, stage.realm)).sid == stage.sid
    refused(stage, TokenRevoked, verify_session(logins[0].session_token.reveal(), T0, stage.realm))


def test_a_password_change_whose_password_was_replaced_meanwhile_is_refused(stage: Stage) -> None:
    """The session stays, the other request kept it: only the proof of the current password is void."""
    other = change(stage, "password of the other request")
    with pytest.raises(LoginFailed):
        run_against(stage, change(stage), "accounts.replace_and_revoke", lambda: stage.run(other))
    assert account(stage).password_hash == stage.ports.hasher.hash("password of the other request")


def test_a_password_change_whose_session_was_ended_by_another_is_refused(stage: Stage) -> None:
    other = change_password(stage.y.sid, OLD, "password of the other request", None, T0, stage.realm)
    with pytest.raises(TokenRevoked):
        run_against(stage, change(stage), "accounts.replace_and_revoke", lambda: stage.run(other))
    assert account(stage).password_hash == stage.ports.hasher.hash("password of the other request")


# --- disabling ---


def test_disabling_that_loses_to_a_password_change_disables_and_keeps_the_password(stage: Stage) -> None:
    disable = set_disabled(stage.x.subject, True, T0, stage.realm)
    changed: list[Any] = []
    rival = lambda: changed.append(stage.run(change(stage)))  # noqa: E731 - run later, by the race
    run_against(stage, disable, "accounts.replace_and_revoke", rival)
    assert (account(stage).disabled, account(stage).password_hash) == (True, stage.ports.hasher.hash(NEW))
    refused(stage, LoginFailed, log_in(stage, NEW))
    refused(stage, TokenRevoked, verify_session(changed[0].session_token.reveal(), T0, stage.realm))


# --- attempts ---

KEY, RATE = "session:one", Rate(10, 900)


def attempts(stage: Stage) -> float:
    return stage.store.throttles._buckets[KEY].level / RATE.cost_seconds


def count(stage: Stage, rate: Rate = RATE) -> list[AttemptReservation]:
    reserved: list[AttemptReservation] = stage.run(reserve([(KEY, rate)], T0))
    return reserved


def test_two_attempts_reserved_at_once_are_both_counted(stage: Stage) -> None:
    run_against(stage, reserve([(KEY, RATE)], T0), "throttles.replace", lambda: count(stage))
    assert attempts(stage) == 2


def test_a_last_attempt_is_admitted_once_of_two_at_once(stage: Stage) -> None:
    only = Rate(1, 900)
    with pytest.raises(Throttled):
        run_against(stage, reserve([(KEY, only)], T0), "throttles.replace", lambda: count(stage, only))


def test_an_attempt_given_back_while_another_is_reserved_leaves_that_one_counted(stage: Stage) -> None:
    own = count(stage)
    run_against(stage, release_reservations(own), "throttles.replace", lambda: count(stage))
    assert attempts(stage) == 1

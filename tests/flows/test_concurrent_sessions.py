"""Requests on one session at once: the one that loses the compare-and-swap judges again, and no write is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from flows.catalogue import Stage, later, refused
from flows.race import run_against
from interleavings.harness import NEW, OLD, T0
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.core.types import Instant
from keyturn.errors import LoginFailed, TokenReused, TokenRevoked
from keyturn.flows.effects import Flow
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_session
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_session


@pytest.fixture
def stage() -> Stage:
    return Stage()


def stored(stage: Stage) -> Session:
    found = stage.store.sessions.load(stage.sid)
    assert found
    return found.session


def rotate(stage: Stage, now: Instant = T0) -> Flow[Any]:
    return refresh(stage.sealed(CredentialKind.REFRESH, 0), "tokens", now, stage.realm)


def touch(stage: Stage) -> Flow[Any]:
    return verify_session(stage.sealed(CredentialKind.SESSION, 0), later(60), stage.realm)


def step_up(stage: Stage) -> Flow[Any]:
    return confirm_password(stage.sid, OLD, "both", T0, stage.realm)


def log_out(stage: Stage, now: Instant = T0) -> Flow[Any]:
    return revoke_session(stage.sid, "logout", now, stage.realm)


# --- refresh ---


def test_two_refreshes_with_one_token_get_the_same_successor(stage: Stage) -> None:
    answers: list[Any] = []
    issued = run_against(stage, rotate(stage), "sessions.replace", lambda: answers.append(stage.run(rotate(stage))))
    assert issued.refresh_token.reveal() == answers[0].refresh_token.reveal()
    assert stored(stage).rotations == 1


def test_a_retired_token_that_loses_to_a_touch_still_ends_the_session(stage: Stage) -> None:
    stage.run(rotate(stage))
    stage.run(refresh(stage.sealed(CredentialKind.REFRESH, 1), "tokens", T0, stage.realm))
    with pytest.raises(TokenReused):
        run_against(stage, rotate(stage, later(60)), "sessions.replace", lambda: stage.run(touch(stage)))
    assert stored(stage).end_reason == "reuse"
    refused(stage, TokenRevoked, touch(stage))


# --- verify ---


def test_a_touch_that_loses_to_another_touch_admits_the_token(stage: Stage) -> None:
    principal = run_against(stage, touch(stage), "sessions.replace", lambda: stage.run(touch(stage)))
    assert principal.sid == stage.sid
    assert (stored(stage).last_seen_at, stored(stage).version) == (later(60), stage.x.session.version + 1)


def test_a_touch_that_loses_to_a_refresh_keeps_the_rotation(stage: Stage) -> None:
    run_against(stage, touch(stage), "sessions.replace", lambda: stage.run(rotate(stage)))
    assert (stored(stage).rotations, stored(stage).last_seen_at) == (1, later(60))


# --- step-up ---


def test_a_step_up_that_loses_to_a_refresh_keeps_the_rotation(stage: Stage) -> None:
    issued = run_against(stage, step_up(stage), "sessions.replace", lambda: stage.run(rotate(stage)))
    assert (stored(stage).rotations, stored(stage).renewals) == (1, 1)
    assert issued.refresh_token.reveal() == stage.sealed(CredentialKind.REFRESH, 1)
    assert stage.run(verify_session(issued.session_token.reveal(), T0, stage.realm)).amr == ("pwd",)


def test_a_step_up_with_a_password_changed_meanwhile_is_refused(stage: Stage) -> None:
    """The password change keeps the session and raises its generation: the proof was made of the old password."""
    change = change_password(stage.sid, OLD, NEW, "both", T0, stage.realm)
    with pytest.raises(LoginFailed):
        run_against(stage, step_up(stage), "hasher.verify", lambda: stage.run(change))
    assert stored(stage).renewals == 1, "by the password change alone"
    assert stage.run(confirm_password(stage.sid, NEW, None, T0, stage.realm)).session.renewals == 2


# --- revocation ---


@pytest.mark.parametrize(
    ("start", "step"),
    [
        (rotate, "sessions.replace"),
        (touch, "sessions.replace"),
        (step_up, "sessions.replace"),
        (
            lambda stage: change_password(stage.sid, OLD, NEW, None, T0, stage.realm),
            "accounts.replace_and_revoke",
        ),
    ],
    ids=["refresh", "verify", "step-up", "change password"],
)
def test_a_use_that_loses_to_a_revocation_is_refused(stage: Stage, start: Callable[[Stage], Any], step: str) -> None:
    with pytest.raises(TokenRevoked):
        run_against(stage, start(stage), step, lambda: stage.run(log_out(stage)))
    assert stored(stage).ended_at == T0
    account = stage.store.accounts.load(stage.x.subject)
    assert account
    assert account.password_hash == stage.ports.hasher.hash(OLD)


def test_a_revocation_that_loses_to_a_refresh_ends_the_session(stage: Stage) -> None:
    run_against(stage, log_out(stage), "sessions.replace", lambda: stage.run(rotate(stage)))
    assert (stored(stage).ended_at, stored(stage).rotations) == (T0, 1)
    refused(stage, TokenRevoked, refresh(stage.sealed(CredentialKind.REFRESH, 1), "tokens", T0, stage.realm))


def test_two_revocations_at_once_are_logged_once(stage: Stage) -> None:
    answers: list[Any] = []
    first = log_out(stage)
    answer = run_against(stage, log_out(stage, later(1)), "sessions.replace", lambda: answers.append(stage.run(first)))
    assert answer == answers[0]
    assert stored(stage).ended_at == T0
    assert [each.key for each in stage.store.log.snapshot().entries] == [stage.sid]

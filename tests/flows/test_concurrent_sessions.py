"""Requests on one session at once: the one that loses the compare-and-swap judges again, and no write is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
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
def flows() -> FlowFixture:
    return FlowFixture()


def stored(flows: FlowFixture) -> Session:
    found = flows.store.sessions.load(flows.sid)
    assert found
    return found.session


def rotate(flows: FlowFixture, now: Instant = T0) -> Flow[Any]:
    return refresh(flows.sealed(CredentialKind.REFRESH, 0), "tokens", now, flows.realm)


def touch(flows: FlowFixture) -> Flow[Any]:
    return verify_session(flows.sealed(CredentialKind.SESSION, 0), later(60), flows.realm)


def step_up(flows: FlowFixture) -> Flow[Any]:
    return confirm_password(flows.sid, OLD, "both", T0, flows.realm)


def log_out(flows: FlowFixture, now: Instant = T0) -> Flow[Any]:
    return revoke_session(flows.sid, "logout", now, flows.realm)


# --- refresh ---


def test_two_refreshes_with_one_token_get_the_same_successor(flows: FlowFixture) -> None:
    answers: list[Any] = []
    issued = run_against(flows, rotate(flows), "sessions.replace", lambda: answers.append(flows.run(rotate(flows))))
    assert issued.refresh_token.reveal() == answers[0].refresh_token.reveal()
    assert stored(flows).rotations == 1


def test_a_reused_token_ends_the_session_despite_a_concurrent_touch(flows: FlowFixture) -> None:
    flows.run(rotate(flows))
    flows.run(refresh(flows.sealed(CredentialKind.REFRESH, 1), "tokens", T0, flows.realm))
    with pytest.raises(TokenReused):
        run_against(flows, rotate(flows, later(60)), "sessions.replace", lambda: flows.run(touch(flows)))
    assert stored(flows).end_reason == "reuse"
    refused(flows, TokenRevoked, touch(flows))


# --- verify ---


def test_a_touch_that_loses_to_another_touch_admits_the_token(flows: FlowFixture) -> None:
    principal = run_against(flows, touch(flows), "sessions.replace", lambda: flows.run(touch(flows)))
    assert principal.sid == flows.sid
    assert (stored(flows).last_seen_at, stored(flows).version) == (later(60), flows.x.session.version + 1)


def test_a_touch_that_loses_to_a_refresh_keeps_the_rotation(flows: FlowFixture) -> None:
    run_against(flows, touch(flows), "sessions.replace", lambda: flows.run(rotate(flows)))
    assert (stored(flows).rotations, stored(flows).last_seen_at) == (1, later(60))


# --- step-up ---


def test_a_step_up_that_loses_to_a_refresh_keeps_the_rotation(flows: FlowFixture) -> None:
    issued = run_against(flows, step_up(flows), "sessions.replace", lambda: flows.run(rotate(flows)))
    assert (stored(flows).rotations, stored(flows).renewals) == (1, 1)
    assert issued.refresh_token.reveal() == flows.sealed(CredentialKind.REFRESH, 1)
    assert flows.run(verify_session(issued.session_token.reveal(), T0, flows.realm)).amr == ("pwd",)


def test_a_step_up_with_a_password_changed_meanwhile_is_refused(flows: FlowFixture) -> None:
    """The password change keeps the session and raises its generation: the proof was made of the old password."""
    change = change_password(flows.sid, OLD, NEW, "both", T0, flows.realm)
    with pytest.raises(LoginFailed):
        run_against(flows, step_up(flows), "hasher.verify", lambda: flows.run(change))
    assert stored(flows).renewals == 1, "by the password change alone"
    assert flows.run(confirm_password(flows.sid, NEW, None, T0, flows.realm)).session.renewals == 2


# --- revocation ---


@pytest.mark.parametrize(
    ("start", "step"),
    [
        (rotate, "sessions.replace"),
        (touch, "sessions.replace"),
        (step_up, "sessions.replace"),
        (
            lambda flows: change_password(flows.sid, OLD, NEW, None, T0, flows.realm),
            "accounts.replace_and_revoke",
        ),
    ],
    ids=["refresh", "verify", "step-up", "change password"],
)
def test_a_use_that_loses_to_a_revocation_is_refused(
    flows: FlowFixture, start: Callable[[FlowFixture], Any], step: str
) -> None:
    with pytest.raises(TokenRevoked):
        run_against(flows, start(flows), step, lambda: flows.run(log_out(flows)))
    assert stored(flows).ended_at == T0
    account = flows.store.accounts.load(flows.x.subject)
    assert account
    assert account.password_hash == flows.ports.hasher.hash(OLD)


def test_a_revocation_that_loses_to_a_refresh_ends_the_session(flows: FlowFixture) -> None:
    run_against(flows, log_out(flows), "sessions.replace", lambda: flows.run(rotate(flows)))
    assert (stored(flows).ended_at, stored(flows).rotations) == (T0, 1)
    refused(flows, TokenRevoked, refresh(flows.sealed(CredentialKind.REFRESH, 1), "tokens", T0, flows.realm))


def test_two_revocations_at_once_are_logged_once(flows: FlowFixture) -> None:
    answers: list[Any] = []
    first = log_out(flows)
    answer = run_against(flows, log_out(flows, later(1)), "sessions.replace", lambda: answers.append(flows.run(first)))
    assert answer == answers[0]
    assert stored(flows).ended_at == T0
    assert [each.key for each in flows.store.log.snapshot().entries] == [flows.sid]

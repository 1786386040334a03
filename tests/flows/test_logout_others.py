"""Every session of a subject ends but one."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, refused
from interleavings.harness import OLD, T0
from keyturn.core.sealed import CredentialKind
from keyturn.errors import NotFound, TokenRevoked
from keyturn.flows.effects import Call, Flow
from keyturn.flows.login import login
from keyturn.flows.logout_others import revoke_other_sessions
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_session
from keyturn.flows.verify import verify_access, verify_session


def to_the_end(flows: FlowFixture, flow: Flow[Any], step: Call) -> None:
    while True:
        step = flow.send(flows.answer(step))


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def test_the_session_goes_on_and_the_others_end(flows: FlowFixture) -> None:
    receipt = flows.run(revoke_other_sessions(flows.sid, T0, flows.realm))
    assert receipt.sequence == flows.store.log.sequence()
    assert flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm)).sid == flows.sid
    refused(flows, TokenRevoked, verify_session(flows.sealed(CredentialKind.SESSION, 0, flows.y), T0, flows.realm))
    refused(flows, TokenRevoked, refresh(flows.sealed(CredentialKind.REFRESH, 0, flows.y), "both", T0, flows.realm))
    # Its access token names the former generation; a refresh issues another one.
    refused(flows, TokenRevoked, verify_access(flows.access(), T0, flows.realm))
    rotated = flows.run(refresh(flows.sealed(CredentialKind.REFRESH, 0), "both", T0, flows.realm))
    assert flows.run(verify_access(str(rotated.access_token.reveal()), T0, flows.realm)).sid == flows.sid
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm)).subject == flows.x.subject


def test_a_session_that_has_ended_ends_no_other(flows: FlowFixture) -> None:
    flows.run(revoke_session(flows.sid, "logout", T0, flows.realm))
    refused(flows, TokenRevoked, revoke_other_sessions(flows.sid, T0, flows.realm))
    assert flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0, flows.y), T0, flows.realm))


def test_a_lost_race_is_decided_again(flows: FlowFixture) -> None:
    flow = revoke_other_sessions(flows.sid, T0, flows.realm)
    step = flow.send(flows.answer(next(flow)))
    stale = flows.answer(step)
    assert flows.store.accounts.replace(replace(stale, version=stale.version + 1))
    with pytest.raises(StopIteration) as ended:
        to_the_end(flows, flow, flow.send(stale))
    assert ended.value.value.sequence == flows.store.log.sequence() == 1


def test_a_session_without_an_account_is_refused(flows: FlowFixture) -> None:
    flow = revoke_other_sessions(flows.sid, T0, flows.realm)
    step = next(flow)
    while step.port != "accounts":
        step = flow.send(flows.answer(step))
    with pytest.raises(NotFound):
        flow.send(None)

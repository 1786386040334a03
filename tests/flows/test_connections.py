"""Reloading the session of an open connection."""

from dataclasses import replace

import pytest

from flows.catalogue import FlowFixture, later, refused
from flows.unavailable_store import UnavailableStore
from interleavings.harness import NEW, OLD, T0
from keyturn.core.types import SessionId
from keyturn.errors import ClockUncertain, SessionEnded, StoreUnavailable, TokenRevoked
from keyturn.flows.connections import reload_principal
from keyturn.flows.password import change_password
from keyturn.flows.revoke import revoke_session, revoke_subject
from keyturn.flows.step_up import confirm_password


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def test_a_live_session_is_reloaded_and_not_used(flows: FlowFixture) -> None:
    idle = flows.realm.profile.session.inactivity_seconds
    principal = flows.run(reload_principal(flows.sid, later(idle - 1), flows.realm))
    assert (principal.sid, principal.credential, principal.credential_expires_at) == (flows.sid, "session", T0 + idle)
    refused(flows, SessionEnded, reload_principal(flows.sid, later(idle), flows.realm))


def test_a_step_up_and_a_password_change_keep_the_session(flows: FlowFixture) -> None:
    flows.run(confirm_password(flows.sid, OLD, "both", T0, flows.realm))
    flows.run(change_password(flows.sid, OLD, NEW, "both", T0, flows.realm))
    assert flows.run(reload_principal(flows.sid, T0, flows.realm)).generation == 1
    refused(flows, TokenRevoked, reload_principal(flows.y.sid, T0, flows.realm))


def test_an_ended_or_unknown_session_is_refused(flows: FlowFixture) -> None:
    flows.run(revoke_session(flows.y.sid, "logout", T0, flows.realm))
    refused(flows, TokenRevoked, reload_principal(flows.y.sid, T0, flows.realm))
    flows.run(revoke_subject(flows.x.session.subject, T0, flows.realm))
    refused(flows, TokenRevoked, reload_principal(flows.sid, T0, flows.realm))
    refused(flows, TokenRevoked, reload_principal(SessionId("AbCdEfGhIjKlMnOpQrStuA"), T0, flows.realm))


def test_nothing_is_said_of_a_session_without_store_or_clock(flows: FlowFixture) -> None:
    session = flows.realm.profile.session
    doubt = replace(session, clock_gap_seconds=session.inactivity_seconds)
    config = replace(flows.realm, profile=replace(flows.realm.profile, session=doubt))
    refused(flows, ClockUncertain, reload_principal(flows.sid, T0, config))
    refused(flows, StoreUnavailable, reload_principal(flows.sid, T0, flows.realm), sessions=UnavailableStore())

"""The limit of live sessions per account: the oldest ends, or the login is refused."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, refused
from flows.race import run_against
from interleavings.harness import OLD, T0
from keyturn.core.lifecycle import SessionState, session_state
from keyturn.core.policy import SessionLimitAction
from keyturn.core.session import LOGIN_ORDER
from keyturn.core.types import Instant, SessionId
from keyturn.errors import TokenReused, TokenRevoked, TooManySessions
from keyturn.flows.create_session import SessionRequest
from keyturn.flows.introspect import introspect
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.open_session import open_session
from keyturn.flows.revoke import revoke_session, revoke_subject
from keyturn.flows.session_limit import OVER_LIMIT
from keyturn.flows.sessions import load_live_sessions
from keyturn.flows.signup import signup
from keyturn.flows.verify import verify_access, verify_session


@pytest.fixture
def flows() -> FlowFixture:
    """Sessions ``x`` and ``y`` were opened before a limit was set."""
    return FlowFixture()


def limit(flows: FlowFixture, number: int, action: SessionLimitAction = "end_oldest") -> FlowFixture:
    session = replace(flows.realm.profile.session, session_limit=number, session_limit_action=action)
    flows.realm = replace(flows.realm, profile=replace(flows.realm.profile, session=session))
    return flows


def enter(flows: FlowFixture, now: int = T0, **changes: Any) -> Any:
    return login(flows.attempt(OLD, **changes), Instant(now), flows.realm)


def live(flows: FlowFixture, now: int = T0) -> set[SessionId]:
    found = flows.run(load_live_sessions(flows.x.subject, Instant(now), flows.realm))
    return {each.session.sid for each in found}


def cookie(issued: IssuedCredentials) -> str:
    assert issued.session_token
    return issued.session_token.reveal()


def test_the_oldest_session_ends_and_the_new_one_is_live(flows: FlowFixture) -> None:
    limit(flows, 3)
    third = flows.run(enter(flows, T0 + 1))
    assert live(flows) == {flows.x.sid, flows.y.sid, third.sid}
    flows.run(revoke_session(flows.y.sid, "logout", T0, flows.realm))
    fourth, fifth = flows.run(enter(flows, T0 + 2)), flows.run(enter(flows, T0 + 3))
    assert live(flows) == {third.sid, fourth.sid, fifth.sid}
    ended = flows.store.sessions.load(flows.x.sid)
    assert ended
    assert ended.session.end_reason == OVER_LIMIT
    refused(flows, TokenRevoked, verify_access(flows.access(), T0, flows.realm))


def test_a_limit_that_is_set_later_ends_all_that_are_too_many(flows: FlowFixture) -> None:
    third = flows.run(enter(limit(flows, 1)))
    assert live(flows) == {third.sid}


@pytest.mark.parametrize("seconds", [0, -100])
def test_the_latest_login_stays_whatever_the_clock_of_its_process(flows: FlowFixture, seconds: int) -> None:
    """All logins of one second have one time, and the clock of another process may be behind."""
    limit(flows, 1)
    for number in range(8):
        issued = flows.run(enter(flows, T0 + number * seconds))
        assert live(flows) == {issued.sid}


def test_a_login_that_was_overtaken_by_a_later_one_ends_itself(flows: FlowFixture) -> None:
    """The other login found no session of this one, and was answered: it is not ended for one that began before."""
    limit(flows, 1)
    later: list[IssuedCredentials] = []
    opening = open_session(flows.x.subject, SessionRequest(deliver="both"), T0, flows.realm)
    run_against(flows, opening, "sessions.insert", lambda: later.append(flows.run(enter(flows, T0 + 5))))
    assert live(flows) == {later[0].sid}
    assert flows.run(introspect(cookie(later[0]), T0, flows.realm))["active"]


def test_a_login_above_the_limit_is_refused_and_changes_nothing(flows: FlowFixture) -> None:
    limit(flows, 2, "refuse")
    before = flows.store.sessions.list(flows.x.subject)
    for flow in (
        enter(flows),
        enter(flows, deliver="tokens"),
        open_session(flows.x.subject, SessionRequest(), T0, flows.realm),
    ):
        refused(flows, TooManySessions, flow)
    assert flows.store.sessions.list(flows.x.subject) == before
    assert not [key for key, each in flows.store.throttles._buckets.items() if "signup" not in key and each.level]
    flows.run(revoke_session(flows.x.sid, "logout", T0, flows.realm))
    assert flows.run(enter(flows)).sid in live(flows)


def test_of_two_logins_at_once_neither_exceeds_the_limit_if_it_refuses(flows: FlowFixture) -> None:
    limit(flows, 3, "refuse")
    answered: list[IssuedCredentials] = []
    with pytest.raises(TooManySessions):
        run_against(flows, enter(flows), "sessions.insert", lambda: answered.append(flows.run(enter(flows))))
    assert live(flows) == {flows.x.sid, flows.y.sid, answered[0].sid}


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
def test_sessions_that_are_over_do_not_count(flows: FlowFixture, action: SessionLimitAction) -> None:
    limit(flows, 1, action)
    flows.run(revoke_subject(flows.x.subject, T0, flows.realm))
    third = flows.run(enter(flows, T0 + 10))
    assert live(flows, T0 + 10) == {third.sid}
    idle = T0 + 10 + flows.realm.profile.session.inactivity_seconds
    fourth = flows.run(enter(flows, idle))
    assert live(flows, idle) == {fourth.sid}


def test_a_session_that_may_have_timed_out_counts_while_clocks_disagree(flows: FlowFixture) -> None:
    limit(flows, 2, "refuse")
    almost = T0 + flows.realm.profile.session.inactivity_seconds - 10
    flows.realm = flows.realm.under_doubt(20, 0)
    refused(flows, TooManySessions, enter(flows, almost))
    loaded = flows.store.sessions.load(flows.x.sid)
    assert loaded
    policy = flows.realm.profile.session
    assert session_state(loaded.session, loaded.floor, Instant(almost), policy) is SessionState.IDLE


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
def test_a_session_of_the_same_browser_is_replaced_and_does_not_count(
    flows: FlowFixture, action: SessionLimitAction
) -> None:
    limit(flows, 2, action)
    third = flows.run(enter(flows, T0 + 1, replaces=(cookie(flows.y), "kt_s_forged")))
    assert live(flows) == {flows.x.sid, third.sid}
    opening = open_session(
        flows.x.subject, SessionRequest(deliver="both", replaces=(cookie(third),)), Instant(T0 + 2), flows.realm
    )
    fourth = flows.run(opening)
    assert live(flows) == {flows.x.sid, fourth.sid}


def test_a_refused_login_ends_no_session_that_it_would_replace(flows: FlowFixture) -> None:
    limit(flows, 1, "refuse")
    refused(flows, TooManySessions, enter(flows, replaces=(cookie(flows.y),)))
    assert live(flows) == {flows.x.sid, flows.y.sid}


def test_a_sign_up_and_an_exchange_of_a_one_time_value_keep_within_the_limit(flows: FlowFixture) -> None:
    limit(flows, 2, "refuse")
    bob = flows.run(signup(flows.attempt(OLD, "bob@example.com"), T0, flows.realm))
    assert flows.run(verify_session(cookie(bob), T0, flows.realm)).subject == bob.subject
    code = flows.put_code()
    refused(flows, TooManySessions, flows.exchange(code))
    refused(flows, TokenReused, flows.exchange(code))
    limit(flows, 2, "end_oldest")
    exchanged = flows.run(flows.exchange(flows.put_code()))
    assert exchanged.sid in live(flows)
    assert len(live(flows)) == 2


def test_the_place_of_a_login_is_in_no_token_and_no_principal(flows: FlowFixture) -> None:
    issued = flows.run(enter(limit(flows, 2)))
    assert issued.session.claims[LOGIN_ORDER] > T0 * 1_000_000
    for principal in (
        flows.run(verify_session(cookie(issued), T0, flows.realm)),
        flows.run(verify_access(str(issued.access_token.reveal()), T0, flows.realm)),
    ):
        assert (principal.claims, principal.issued_at) == ({}, T0)


def test_no_place_is_stored_without_a_limit(flows: FlowFixture) -> None:
    assert flows.run(enter(flows)).session.claims == {}

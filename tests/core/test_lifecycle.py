"""The life of a session: every state with every event, and ends that nothing moves."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sessions import ACTS, DRAFT, POLICY, START, at, found, opened
from keyturn.core.lifecycle import (
    SESSION_TRANSITIONS,
    SessionEvent,
    SessionState,
    begin_session,
    check_session_token,
    ends_at,
    renew,
    revoke,
    session_state,
    step_up,
    touch,
)
from keyturn.core.rotation import rotate
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.types import Instant
from keyturn.errors import CounterAhead, Refusal, SessionEnded, TokenRevoked

# --- the table ----------------------------------------------------------------------------------------------

STANDING: dict[SessionState, tuple[LoadedSession, Instant]] = {
    SessionState.LIVE: (found(opened()), at(10)),
    SessionState.IDLE: (found(opened()), at(600)),
    SessionState.EXPIRED: (found(opened(last_seen_at=at(3500))), at(3600)),
    SessionState.VOID: (found(opened(), generation=3), at(10)),
    SessionState.SUSPENDED: (LoadedSession(opened(), RevocationFloor(2, suspended_before=at(1))), at(700)),
    SessionState.ENDED: (found(opened(ended_at=at(5), end_reason="logout")), at(10)),
}


def test_the_table_answers_for_every_state_and_event() -> None:
    assert SESSION_TRANSITIONS.keys() == set(SessionState)
    assert all(row.keys() == set(SessionEvent) for row in SESSION_TRANSITIONS.values())


def test_no_transition_leaves_ended_and_only_live_sessions_are_used() -> None:
    assert {
        target for target in SESSION_TRANSITIONS[SessionState.ENDED].values() if isinstance(target, SessionState)
    } == {SessionState.ENDED}
    for state, event in product(set(SessionState) - {SessionState.LIVE}, set(SessionEvent) - {SessionEvent.REVOKE}):
        target = SESSION_TRANSITIONS[state][event]
        assert not isinstance(target, SessionState)
        assert issubclass(target, Refusal)


@pytest.mark.parametrize("state", list(SessionState))
def test_each_state_is_recognised(state: SessionState) -> None:
    standing, now = STANDING[state]
    assert session_state(standing.session, standing.floor, now, POLICY) is state


@pytest.mark.parametrize(("state", "event"), list(product(SessionState, SessionEvent)))
def test_every_operation_follows_the_transition_table(state: SessionState, event: SessionEvent) -> None:
    standing, now = STANDING[state]
    target = SESSION_TRANSITIONS[state][event]
    if isinstance(target, SessionState):
        after = ACTS[event](standing, now)
        assert session_state(after, standing.floor, now, POLICY) is target
    else:
        with pytest.raises(target) as refused:
            ACTS[event](standing, now)
        assert type(refused.value) is target
        assert state.value in refused.value.detail


# --- judging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "marks", "now", "state"),
    [
        (opened(), RevocationFloor(2), 599, SessionState.LIVE),
        (opened(), RevocationFloor(2), 600, SessionState.IDLE),
        (opened(last_seen_at=at(3000)), RevocationFloor(2), 3599, SessionState.LIVE),
        (opened(last_seen_at=at(3000)), RevocationFloor(2), 3600, SessionState.EXPIRED),
        (opened(), RevocationFloor(1), 0, SessionState.LIVE),
        (opened(), RevocationFloor(3), 0, SessionState.VOID),
        (opened(), RevocationFloor(2, at(0)), 0, SessionState.LIVE),
        (opened(), RevocationFloor(2, at(1)), 0, SessionState.VOID),
        (opened(), RevocationFloor(3), 10_000, SessionState.VOID),
        (opened(ended_at=at(1)), RevocationFloor(3), 10_000, SessionState.ENDED),
    ],
)
@pytest.mark.conforms("ASVS 7.3.1", "ASVS 7.3.2")
def test_the_edges_of_each_state(session: Session, marks: RevocationFloor, now: int, state: SessionState) -> None:
    assert session_state(session, marks, at(now), POLICY) is state


# --- opening ------------------------------------------------------------------------------------------------


def test_a_session_opens_under_the_marks_read_before_the_password_was_checked() -> None:
    session = begin_session(DRAFT, RevocationFloor(7), at(0), POLICY)
    assert (session.generation, session.created_at, session.auth_time, session.last_seen_at) == (7, at(0), at(0), at(0))
    assert session.expires_at == at(600)
    assert session_state(session, RevocationFloor(8), at(0), POLICY) is SessionState.VOID, (
        "a revocation that raced the login voids it"
    )


def test_a_session_opened_in_the_second_of_revoke_all_is_live() -> None:
    marks = RevocationFloor(0, at(1))
    session = begin_session(DRAFT, marks, at(0), POLICY)
    assert session_state(session, marks, at(0), POLICY) is SessionState.LIVE
    assert (session.auth_time, session.created_at) == (at(0), at(1))


# --- touching -----------------------------------------------------------------------------------------------


def test_a_session_is_unchanged_until_a_touch_is_due() -> None:
    session = opened()
    assert POLICY.touch_seconds == 60
    for now in (-100, 0, 59):
        assert touch(found(session), at(now), POLICY) is session
    touched = touch(found(session), at(60), POLICY)
    assert touched == replace(session, last_seen_at=at(60), expires_at=at(660), version=1)


@given(st.lists(st.integers(0, 599), max_size=30))
@pytest.mark.conforms("ASVS 7.3.2", "ASVS 10.4.8", "NIST SP 800-63B-4 5.2")
def test_no_amount_of_use_outlives_the_overall_timeout(pauses: list[int]) -> None:
    session, now = opened(), 0
    for pause in pauses:
        now += pause
        if now >= 3600:
            for act in (
                ACTS[SessionEvent.TOUCH],
                ACTS[SessionEvent.RENEW],
                ACTS[SessionEvent.STEP_UP],
                ACTS[SessionEvent.ROTATE],
            ):
                with pytest.raises(SessionEnded):
                    act(found(session), at(now))
            return
        if now >= session.last_seen_at - START + 600:
            return
        for act in (touch, renew):
            session = act(found(session), at(now), POLICY)
        session = step_up(found(session), ("otp",), at(now), POLICY)
        session = rotate(found(session), session.rotations, at(now), POLICY).session
        assert ends_at(session, POLICY) == at(3600)
        assert session.expires_at <= at(3600)
        assert session.created_at == at(0)


@given(st.lists(st.tuples(st.sampled_from(list(ACTS)), st.integers(-50, 50)), max_size=20))
def test_every_write_increments_the_version_and_times_are_monotonic(acts: list[tuple[SessionEvent, int]]) -> None:
    session, now = opened(), 0
    for event, step in acts:
        now += step
        try:
            after = ACTS[event](found(session), at(now))
        except Refusal:
            continue
        assert after is session or after.version == session.version + 1
        assert after.last_seen_at >= session.last_seen_at
        assert after.expires_at >= session.expires_at
        assert after.renewals >= session.renewals
        assert after.rotations >= session.rotations
        session = after


# --- renewing and stepping up -------------------------------------------------------------------------------


def test_a_renewal_voids_every_earlier_session_token() -> None:
    renewed = renew(found(opened()), at(10), POLICY)
    assert (renewed.renewals, renewed.last_seen_at, renewed.version) == (1, at(10), 1)
    assert check_session_token(found(renewed), 1, at(10), POLICY) is renewed
    with pytest.raises(TokenRevoked):
        check_session_token(found(renewed), 0, at(10), POLICY)


def test_a_session_token_newer_than_its_record_raises_counter_ahead() -> None:
    with pytest.raises(CounterAhead):
        check_session_token(found(opened()), 1, at(10), POLICY)


def test_admitting_touches_when_due_and_refuses_as_the_table_does() -> None:
    assert check_session_token(found(opened()), 0, at(60), POLICY).last_seen_at == at(60)
    with pytest.raises(SessionEnded):
        check_session_token(found(opened()), 0, at(600), POLICY)


def test_a_step_up_joins_methods_refreshes_the_authentication_and_renews() -> None:
    stepped = step_up(found(opened(amr=("pwd", "otp"))), ("otp", "hwk"), at(10), POLICY)
    assert (stepped.amr, stepped.auth_time, stepped.renewals) == (("pwd", "otp", "hwk"), at(10), 1)


def test_the_first_end_reason_is_kept() -> None:
    ended = revoke(found(opened()), "logout", at(10))
    assert (ended.ended_at, ended.end_reason, ended.version) == (at(10), "logout", 1)
    again = revoke(found(ended), "reuse", at(20))
    assert again is ended

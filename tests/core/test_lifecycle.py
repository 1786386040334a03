"""The life of a session: every state with every event, rotation under every clock, and ends that nothing moves."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.instant import Instant, SessionId, Subject
from keyturn.core.lifecycle import (
    TRANSITIONS,
    Event,
    State,
    admit,
    ends_at,
    judge,
    open_session,
    renew,
    revoke,
    rotate,
    step_up,
    touch,
)
from keyturn.core.policy import SessionPolicy
from keyturn.core.session import Client, Found, Marks, Seed, Session
from keyturn.errors import CounterAhead, Refusal, SessionEnded, TokenReused, TokenRevoked

POLICY = SessionPolicy(inactivity_seconds=600, overall_seconds=3600, grace_seconds=30)
START = 1_800_000_000
DRAFT = Session(
    sid=SessionId("AbCdEfGhIjKlMnOpQrStuA"),
    subject=Subject("ada"),
    seed=Seed(bytes(32)),
    client=Client("web"),
    generation=0,
    created_at=Instant(0),
    auth_time=Instant(0),
    last_seen_at=Instant(0),
    expires_at=Instant(0),
)


def at(seconds: int) -> Instant:
    return Instant(START + seconds)


def opened(**changed: object) -> Session:
    return replace(open_session(DRAFT, Marks(2), at(0), POLICY), **changed)  # type: ignore[arg-type]


def found(session: Session, generation: int = 2, not_before: int = 0) -> Found:
    return Found(session, Marks(generation, Instant(not_before)))


# --- the table ----------------------------------------------------------------------------------------------

STANDING: dict[State, tuple[Found, Instant]] = {
    State.LIVE: (found(opened()), at(10)),
    State.IDLE: (found(opened()), at(600)),
    State.OVER: (found(opened(last_seen_at=at(3500))), at(3600)),
    State.VOID: (found(opened(), generation=3), at(10)),
    State.ENDED: (found(opened(ended_at=at(5), end_reason="logout")), at(10)),
}
ACTS: dict[Event, Callable[[Found, Instant], Session]] = {
    Event.TOUCH: lambda found, now: touch(found, now, POLICY),
    Event.RENEW: lambda found, now: renew(found, now, POLICY),
    Event.ROTATE: lambda found, now: rotate(found, 0, now, POLICY).session,
    Event.STEP_UP: lambda found, now: step_up(found, ("otp",), now, POLICY),
    Event.REVOKE: lambda found, now: revoke(found, "logout", now),
}


def test_the_table_answers_for_every_state_and_event() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert all(row.keys() == set(Event) for row in TRANSITIONS.values())


def test_nothing_leads_out_of_ended_and_only_live_sessions_are_used() -> None:
    assert {target for target in TRANSITIONS[State.ENDED].values() if isinstance(target, State)} == {State.ENDED}
    for state, event in product(set(State) - {State.LIVE}, set(Event) - {Event.REVOKE}):
        target = TRANSITIONS[state][event]
        assert not isinstance(target, State)
        assert issubclass(target, Refusal)


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_recognised(state: State) -> None:
    standing, now = STANDING[state]
    assert judge(standing.session, standing.marks, now, POLICY) is state


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_what_is_done_is_what_the_table_says(state: State, event: Event) -> None:
    standing, now = STANDING[state]
    target = TRANSITIONS[state][event]
    if isinstance(target, State):
        after = ACTS[event](standing, now)
        assert judge(after, standing.marks, now, POLICY) is target
    else:
        with pytest.raises(target) as refused:
            ACTS[event](standing, now)
        assert type(refused.value) is target
        assert state.value in refused.value.detail


# --- judging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "marks", "now", "state"),
    [
        (opened(), Marks(2), 599, State.LIVE),
        (opened(), Marks(2), 600, State.IDLE),
        (opened(last_seen_at=at(3000)), Marks(2), 3599, State.LIVE),
        (opened(last_seen_at=at(3000)), Marks(2), 3600, State.OVER),
        (opened(), Marks(1), 0, State.LIVE),
        (opened(), Marks(3), 0, State.VOID),
        (opened(), Marks(2, at(0)), 0, State.LIVE),
        (opened(), Marks(2, at(1)), 0, State.VOID),
        (opened(), Marks(3), 10_000, State.VOID),
        (opened(ended_at=at(1)), Marks(3), 10_000, State.ENDED),
    ],
)
@pytest.mark.conforms("ASVS 7.3.1", "ASVS 7.3.2")
def test_the_edges_of_each_state(session: Session, marks: Marks, now: int, state: State) -> None:
    assert judge(session, marks, at(now), POLICY) is state


# --- opening ------------------------------------------------------------------------------------------------


def test_a_session_opens_under_the_marks_read_before_the_password_was_checked() -> None:
    session = open_session(DRAFT, Marks(7), at(0), POLICY)
    assert (session.generation, session.created_at, session.auth_time, session.last_seen_at) == (7, at(0), at(0), at(0))
    assert session.expires_at == at(600)
    assert judge(session, Marks(8), at(0), POLICY) is State.VOID, "a revocation that raced the login voids it"


def test_a_session_opened_in_the_second_of_a_revocation_of_everything_is_good() -> None:
    marks = Marks(0, at(1))
    session = open_session(DRAFT, marks, at(0), POLICY)
    assert judge(session, marks, at(0), POLICY) is State.LIVE
    assert (session.auth_time, session.created_at) == (at(0), at(1))


# --- touching -----------------------------------------------------------------------------------------------


def test_a_plain_read_writes_nothing_until_a_touch_is_due() -> None:
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
            for act in (ACTS[Event.TOUCH], ACTS[Event.RENEW], ACTS[Event.STEP_UP], ACTS[Event.ROTATE]):
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
def test_every_write_raises_the_version_by_one_and_time_never_runs_backwards(acts: list[tuple[Event, int]]) -> None:
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
    assert admit(found(renewed), 1, at(10), POLICY) is renewed
    with pytest.raises(TokenRevoked):
        admit(found(renewed), 0, at(10), POLICY)


def test_a_session_token_newer_than_its_record_means_the_store_went_back_in_time() -> None:
    with pytest.raises(CounterAhead):
        admit(found(opened()), 1, at(10), POLICY)


def test_admitting_touches_when_due_and_refuses_as_the_table_does() -> None:
    assert admit(found(opened()), 0, at(60), POLICY).last_seen_at == at(60)
    with pytest.raises(SessionEnded):
        admit(found(opened()), 0, at(600), POLICY)


def test_a_step_up_joins_methods_refreshes_the_authentication_and_renews() -> None:
    stepped = step_up(found(opened(amr=("pwd", "otp"))), ("otp", "hwk"), at(10), POLICY)
    assert (stepped.amr, stepped.auth_time, stepped.renewals) == (("pwd", "otp", "hwk"), at(10), 1)


def test_the_first_end_is_the_one_that_is_kept() -> None:
    ended = revoke(found(opened()), "logout", at(10))
    assert (ended.ended_at, ended.end_reason, ended.version) == (at(10), "logout", 1)
    again = revoke(found(ended), "reuse", at(20))
    assert again is ended


# --- rotating: P5 and P6 ------------------------------------------------------------------------------------


def rotated(now: int = 100, times: int = 1) -> Session:
    session = opened()
    for _ in range(times):
        session = rotate(found(session), session.rotations, at(now), POLICY).session
    return session


def test_the_current_refresh_token_rotates() -> None:
    outcome = rotate(found(opened()), 0, at(100), POLICY)
    assert outcome.or_raise() == 1
    assert (outcome.session.rotations, outcome.session.rotated_at, outcome.session.version) == (1, at(100), 1)


def test_a_lost_response_is_answered_with_the_same_successor_and_no_write() -> None:
    session = rotated()
    for now in (100, 115, 130):
        outcome = rotate(found(session), 0, at(now), POLICY)
        assert outcome.or_raise() == 1
        assert outcome.session is session


@pytest.mark.conforms("ASVS 10.4.5 (outside the grace window)", "RFC 9700 4.14.2 (outside the grace window)")
def test_a_retired_token_ends_the_family() -> None:
    session = rotated()
    outcome = rotate(found(session), 0, at(131), POLICY)
    assert (outcome.session.ended_at, outcome.session.end_reason) == (at(131), "reuse")
    with pytest.raises(TokenReused):
        outcome.or_raise()
    with pytest.raises(TokenRevoked):
        rotate(found(outcome.session), 1, at(131), POLICY)


def test_a_token_two_behind_is_reuse_even_inside_the_window() -> None:
    with pytest.raises(TokenReused):
        rotate(found(rotated(times=2)), 0, at(100), POLICY).or_raise()


def test_the_grace_window_does_not_slide() -> None:
    session = rotated(now=100)
    for now in (110, 120, 130):
        session = rotate(found(session), 0, at(now), POLICY).session
    assert session.rotated_at == at(100)
    with pytest.raises(TokenReused):
        rotate(found(session), 0, at(131), POLICY).or_raise()


def test_without_a_grace_window_only_the_second_of_the_rotation_is_forgiven() -> None:
    policy = replace(POLICY, grace_seconds=0)
    session = rotated()
    assert rotate(found(session), 0, at(100), policy).or_raise() == 1
    with pytest.raises(TokenReused):
        rotate(found(session), 0, at(101), policy).or_raise()


def test_a_rotation_without_its_moment_has_no_grace() -> None:
    with pytest.raises(TokenReused):
        rotate(found(opened(rotations=1)), 0, at(0), POLICY).or_raise()


def test_a_token_ahead_of_the_store_is_refused_and_changes_nothing() -> None:
    session = rotated()
    outcome = rotate(found(session), 2, at(100), POLICY)
    assert outcome.session is session
    with pytest.raises(CounterAhead):
        outcome.or_raise()


def test_a_clock_that_steps_back_logs_nobody_out() -> None:
    session = rotated(now=100)
    assert rotate(found(session), 0, at(40), POLICY).or_raise() == 1
    back = rotate(found(session), 1, at(40), POLICY)
    assert back.or_raise() == 2
    assert (back.session.last_seen_at, back.session.expires_at) == (at(100), at(700))


@given(st.lists(st.tuples(st.integers(-3, 1), st.integers(0, 45)), max_size=40))
def test_there_is_one_lineage_whoever_asks_and_however_often(uses: list[tuple[int, int]]) -> None:
    """Counters only rise, one at a time; a retired token never yields a successor of its own."""
    session, now = opened(), 0
    for behind, pause in uses:
        now += pause
        presented = session.rotations + behind
        if presented < 0 or session.ended_at is not None:
            continue
        outcome = rotate(found(session), presented, at(now), POLICY)
        if outcome.refusal is None:
            assert outcome.counter == outcome.session.rotations
            assert outcome.counter == presented + 1
            assert outcome.session.rotations - session.rotations == (1 if behind == 0 else 0)
        elif isinstance(outcome.refusal, CounterAhead):
            assert behind > 0
            assert outcome.session is session
        else:
            assert behind < 0
            assert outcome.session.ended_at == at(now)
        session = outcome.session

"""Rotation under every clock: one lineage, a lost response answered again, and reuse that ends the family."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sessions import POLICY, at, found, opened
from keyturn.core.rotation import rotate
from keyturn.core.session import Session
from keyturn.errors import CounterAhead, TokenReused, TokenRevoked


def rotated(now: int = 100, times: int = 1) -> Session:
    session = opened()
    for _ in range(times):
        session = rotate(found(session), session.rotations, at(now), POLICY).session
    return session


def test_the_current_refresh_token_rotates() -> None:
    outcome = rotate(found(opened()), 0, at(100), POLICY)
    assert outcome.or_raise() == 1
    assert (outcome.session.rotations, outcome.session.rotated_at, outcome.session.version) == (1, at(100), 1)


def test_a_lost_response_is_answered_with_the_same_successor_and_written_once() -> None:
    session = rotated()
    for now, writes in ((100, 1), (115, 0), (130, 0)):
        outcome = rotate(found(session), 0, at(now), POLICY)
        assert outcome.or_raise() == 1
        assert outcome.session.version == session.version + writes
        session = outcome.session


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


def test_a_thief_within_every_window_is_not_detected_and_one_outside_a_window_is() -> None:
    """The limit that docs/topics/refresh.md states."""
    session = opened()
    for number in range(100):
        now = 100 + 5 * number
        owner = rotate(found(session), session.rotations, at(now), POLICY)
        thief = rotate(found(owner.session), owner.counter - 1, at(now + POLICY.grace_seconds), POLICY)
        assert thief.or_raise() == owner.or_raise()
        session = owner.session
    with pytest.raises(TokenReused):
        rotate(found(session), session.rotations - 1, at(now + POLICY.grace_seconds + 1), POLICY).or_raise()


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


def test_a_refresh_token_ahead_of_the_store_is_refused() -> None:
    session = rotated()
    outcome = rotate(found(session), 2, at(100), POLICY)
    assert outcome.session is session
    with pytest.raises(CounterAhead):
        outcome.or_raise()


def test_a_rotation_survives_a_clock_step_backwards() -> None:
    session = rotated(now=100)
    assert rotate(found(session), 0, at(40), POLICY).or_raise() == 1
    back = rotate(found(session), 1, at(40), POLICY)
    assert back.or_raise() == 2
    assert (back.session.last_seen_at, back.session.expires_at) == (at(100), at(700))


@given(st.lists(st.tuples(st.integers(-3, 1), st.integers(0, 45)), max_size=40))
def test_rotations_form_one_lineage_under_any_sequence_of_uses(uses: list[tuple[int, int]]) -> None:
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

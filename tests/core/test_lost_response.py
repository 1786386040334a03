"""A lost response: the retired token is answered until its successor was seen, a bounded number of times."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sessions import POLICY, at, found, opened
from keyturn.core.audit import AuditEventType
from keyturn.core.lifecycle import check_session_token, record_access, revoke, step_up
from keyturn.core.policy import SessionPolicy
from keyturn.core.repeats import has_unrecorded_use, is_unseen
from keyturn.core.rotation import RotationResult, rotate
from keyturn.core.session import Repeats, Session
from keyturn.errors import ClockUncertain, SessionEnded, StepUpRequired, TokenReused, TokenRevoked

LOST = SessionPolicy(
    inactivity_seconds=100_000, overall_seconds=1_000_000, grace_seconds=30, lost_response_seconds=86_400
)
STEP_UP = replace(LOST, repeat_action="step_up")
NONE_LOST = replace(LOST, lost_response_seconds=0)
LATE = 100 + 3600
REUSED, STEPPING = AuditEventType.TOKEN_REUSED, AuditEventType.STEP_UP_REQUIRED


def rotated(policy: SessionPolicy = LOST, times: int = 1) -> Session:
    session = opened()
    for _ in range(times):
        session = rotate(found(session), session.rotations, at(100), policy).session
    return session


def answered(session: Session, counter: int, now: int, policy: SessionPolicy = LOST) -> Session:
    result = rotate(found(session), counter, at(now), policy)
    assert result.or_raise() == session.rotations
    return result.session


def refused(session: Session, counter: int, now: int, policy: SessionPolicy = LOST) -> RotationResult:
    result = rotate(found(session), counter, at(now), policy)
    with pytest.raises(TokenReused):
        result.or_raise()
    assert (result.session.end_reason, result.event) == ("reuse", REUSED)
    return result


# --- answers after the grace window -------------------------------------------------------------------------


@pytest.mark.conforms("RFC 9700 4.14.2 (a lost response)")
def test_a_retired_token_with_an_unseen_successor_gets_the_same_successor_late() -> None:
    session = rotated()
    for now in (131, LATE, 100 + 86_400):
        result = rotate(found(session), 0, at(now), LOST)
        assert (result.or_raise(), result.event) == (1, AuditEventType.REFRESH_LATE)
        assert (result.session.rotations, result.session.rotated_at) == (1, at(100))
        assert result.session.repeats.late_answers == 1


@pytest.mark.conforms("RFC 9700 4.14.2 (a lost response)")
def test_a_retired_token_is_reuse_when_the_time_for_a_lost_response_is_over() -> None:
    refused(rotated(), 0, 100 + 86_401)


def test_the_time_for_a_lost_response_does_not_slide() -> None:
    session = answered(answered(rotated(), 0, 50_000), 0, 86_000)
    assert session.last_seen_at == at(86_000)
    refused(session, 0, 100 + 86_401)


def test_a_policy_without_lost_responses_ends_the_session_outside_the_grace_window() -> None:
    refused(rotated(POLICY), 0, 131, POLICY)
    refused(rotated(POLICY), 0, 131, LOST)
    refused(rotated(LOST), 0, 131, POLICY)


def test_the_third_late_request_ends_the_session() -> None:
    session = answered(answered(rotated(), 0, LATE), 0, LATE)
    ended = refused(session, 0, LATE).session
    with pytest.raises(TokenRevoked):
        rotate(found(ended), 1, at(LATE), LOST)


def test_the_number_of_late_answers_starts_again_with_each_rotation() -> None:
    session = answered(answered(rotated(), 0, LATE), 0, LATE)
    session = rotate(found(session), 1, at(LATE), LOST).session
    assert answered(session, 1, LATE + 31).repeats.late_answers == 1


def test_a_token_two_behind_is_reuse_though_the_successor_is_unseen() -> None:
    refused(rotated(times=2), 0, 101)


def test_a_rotation_by_an_issuer_without_the_policy_makes_the_earlier_one_count_as_seen() -> None:
    """An issuer of the version before rotates, and leaves the counts as they were."""
    session = replace(rotated(), rotations=2, rotated_at=at(200))
    refused(session, 1, 231)


def test_a_session_without_the_time_of_its_rotation_assumes_no_lost_response() -> None:
    refused(replace(rotated(), rotated_at=None), 0, 101)


def test_answers_that_are_late_by_one_of_two_clocks_alone_are_not_counted() -> None:
    """Three requests within the grace window of the earlier clock, and after that of the later one."""
    policy, session = replace(LOST, clock_gap_seconds=20), rotated()
    for now in (115, 120, 130):
        session = answered(session, 0, now, policy)
    assert session.repeats == Repeats(unseen_rotation=1, rotation=1, in_a_row=1)
    assert answered(session, 0, 131, policy).repeats.late_answers == 1


def test_the_time_for_a_lost_response_ends_by_the_later_clock() -> None:
    policy = replace(LOST, clock_gap_seconds=20)
    answered(rotated(), 0, 100 + 86_380, policy)
    with pytest.raises(ClockUncertain):
        rotate(found(rotated()), 0, at(100 + 86_381), policy).or_raise()


# --- what ends the possibility ------------------------------------------------------------------------------


def test_the_use_of_the_successor_ends_it() -> None:
    session = rotate(found(rotated()), 1, at(200), LOST).session
    refused(session, 0, 201)


@pytest.mark.parametrize("rotation", [1, None])
@pytest.mark.conforms("RFC 9700 4.14.2 (a lost response)")
def test_the_use_of_an_access_token_of_the_successor_ends_it(rotation: int | None) -> None:
    session = rotated()
    seen = record_access(session, rotation)
    assert (is_unseen(seen), seen.version) == (False, session.version + 1)
    assert record_access(seen, rotation) is seen
    refused(seen, 0, 131)


@pytest.mark.parametrize("rotation", [0, 2])
def test_the_use_of_an_access_token_of_another_rotation_does_not(rotation: int) -> None:
    session = rotated()
    assert record_access(session, rotation) is session
    answered(session, 0, LATE)


def test_the_use_of_the_session_cookie_ends_it() -> None:
    session = rotated()
    seen = check_session_token(found(session), 0, at(101), LOST)
    assert (is_unseen(seen), seen.version, seen.last_seen_at) == (False, session.version + 1, at(100))
    touched = check_session_token(found(session), 0, at(LATE), LOST)
    assert (is_unseen(touched), touched.version, touched.last_seen_at) == (False, session.version + 1, at(LATE))
    assert check_session_token(found(seen), 0, at(101), LOST) is seen
    refused(seen, 0, 131)


def test_a_step_up_ends_it() -> None:
    session = step_up(found(rotated()), ("pwd",), at(120), LOST)
    assert (session.rotations, session.repeats) == (1, Repeats())
    answered(session, 0, 130)
    refused(session, 0, 131)


def test_a_revocation_and_the_timeouts_end_it() -> None:
    session = rotated()
    with pytest.raises(TokenRevoked):
        rotate(found(revoke(found(session), "logout", at(110))), 0, at(LATE), LOST)
    with pytest.raises(TokenRevoked):
        rotate(found(session, generation=3), 0, at(LATE), LOST)
    short = replace(LOST, inactivity_seconds=600)
    with pytest.raises(SessionEnded):
        rotate(found(session), 0, at(701), short)
    with pytest.raises(SessionEnded):
        rotate(found(session), 0, at(1000), replace(short, overall_seconds=1000))


def test_a_cached_copy_tells_whether_a_use_is_to_be_recorded() -> None:
    unseen, seen = rotated(), record_access(rotated(), 1)
    assert [has_unrecorded_use(unseen, each) for each in (0, 1, 2, None)] == [False, True, True, True]
    assert [has_unrecorded_use(seen, each) for each in (0, 1, 2, None)] == [False, False, True, False]


# --- repeats, and the limits --------------------------------------------------------------------------------


def test_the_first_repeat_of_a_rotation_is_counted_and_further_ones_are_not() -> None:
    session = rotated(POLICY)
    first = rotate(found(session), 0, at(110), POLICY)
    assert first.event is AuditEventType.REFRESH_REPEATED
    assert first.session.repeats == Repeats(rotation=1, in_a_row=1)
    second = rotate(found(first.session), 0, at(111), POLICY)
    assert (second.session is first.session, second.counter, second.event) == (True, 1, None)


def test_repeats_of_consecutive_rotations_are_in_a_row_and_a_gap_starts_again() -> None:
    session = opened()
    seen = []
    for is_repeated in (True, True, False, True):
        session = rotate(found(session), session.rotations, at(100), POLICY).session
        if is_repeated:
            session = answered(session, session.rotations - 1, 101, POLICY)
        seen.append(session.repeats.in_a_row)
    assert seen == [1, 2, 2, 1]


def test_repeats_in_a_row_up_to_the_limit_end_the_session() -> None:
    """The answer to a thief who refreshes within the window of each of the owner's refreshes."""
    policy = replace(POLICY, repeat_limit=3)
    session = opened()
    for _ in range(2):
        session = rotate(found(session), session.rotations, at(100), policy).session
        session = answered(session, session.rotations - 1, 101, policy)
    session = rotate(found(session), session.rotations, at(100), policy).session
    refused(session, session.rotations - 1, 101, policy)


def test_a_limit_reached_long_ago_does_not_block_later_rotations() -> None:
    session = replace(rotated(STEP_UP, times=5), repeats=Repeats(rotation=3, in_a_row=3))
    assert rotate(found(session), 5, at(101), replace(STEP_UP, repeat_limit=2)).or_raise() == 6


def blocked() -> Session:
    session = answered(answered(rotated(STEP_UP), 0, LATE, STEP_UP), 0, LATE, STEP_UP)
    result = rotate(found(session), 0, at(LATE), STEP_UP)
    with pytest.raises(StepUpRequired):
        result.or_raise()
    assert (result.event, result.session.repeats.late_answers, result.session.ended_at) == (STEPPING, 3, None)
    return result.session


def test_the_third_late_request_blocks_every_refresh_if_the_policy_asks_for_a_step_up() -> None:
    session = blocked()
    for counter in (0, 1):
        result = rotate(found(session), counter, at(LATE), STEP_UP)
        assert (result.session is session, result.event) == (True, None)
        with pytest.raises(StepUpRequired):
            result.or_raise()


def test_a_retired_token_of_a_blocked_session_is_still_reuse() -> None:
    refused(blocked(), 0, 100 + 86_401, STEP_UP)


def test_a_step_up_of_a_blocked_session_replaces_its_refresh_token() -> None:
    session = step_up(found(blocked()), ("pwd",), at(LATE), STEP_UP)
    assert (session.rotations, session.rotated_at, session.repeats) == (2, None, Repeats())
    assert rotate(found(session), 2, at(LATE), STEP_UP).or_raise() == 3
    refused(session, 1, LATE, STEP_UP)


USES = st.tuples(st.sampled_from(["refresh", "access", "cookie"]), st.integers(-2, 0), st.integers(0, 100))


@given(st.lists(USES, max_size=40), st.sampled_from([NONE_LOST, LOST, STEP_UP, replace(LOST, repeat_limit=2)]))
def test_one_lineage_remains_under_any_sequence_of_uses(
    uses: list[tuple[str, int, int]], policy: SessionPolicy
) -> None:
    """A retired token never gets a successor of its own, and none at all outside the window once it was seen."""
    session, now = opened(), 0
    for verb, behind, pause in uses:
        now += pause
        counter = session.rotations + behind
        if counter < 0 or session.ended_at is not None:
            continue
        if verb == "access":
            session = record_access(session, counter)
        elif verb == "cookie":
            session = check_session_token(found(session), 0, at(now), policy)
        else:
            result = rotate(found(session), counter, at(now), policy)
            if result.refusal is None:
                assert result.counter == result.session.rotations == counter + 1
                in_window = behind == 0 or at(now) - (session.rotated_at or at(0)) <= policy.grace_seconds
                assert in_window or is_unseen(session)
            session = result.session

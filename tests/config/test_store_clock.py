"""The clock of an issuer: a wrong wall clock or a wrong store deletes nothing, and ends no session."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from keyturn import Issuer
from keyturn.config.background import purge_expired, refresh_keys
from keyturn.config.components import build_components
from keyturn.config.data_dir import complete_settings
from keyturn.config.settings import read_settings
from keyturn.config.store_clock import StoreClock
from keyturn.errors import ClockUncertain, SessionEnded, TokenExpired
from keyturn.flows import IssuedCredentials, drive

HOUR, DAY = 3600, 86_400
START = 1_800_000_000.0
STEPS = [10, -10, 2 * HOUR, -2 * HOUR, 40 * DAY, -40 * DAY]
MAIL, PASSWORD = "ada@example.com", "violet umbrella 7 o clock"


class Clocks:
    """A wall clock and a monotonic clock. ``offset``: error of the wall clock."""

    def __init__(self) -> None:
        self.elapsed, self.offset = 0.0, 0.0

    def wall(self) -> float:
        return START + self.elapsed + self.offset

    def monotonic(self) -> float:
        return 100.0 + self.elapsed


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def open_issuer(tmp_path: Path, clocks: Clocks) -> Issuer:
    made = complete_settings(read_settings({}, data_dir=str(tmp_path), algorithm="EdDSA"), "http://127.0.0.1:8000")
    return Issuer.open(made.settings, clock=clocks.wall, monotonic=clocks.monotonic, background=False)


@pytest.fixture
def issuer(tmp_path: Path, clocks: Clocks) -> Iterator[Issuer]:
    with open_issuer(tmp_path, clocks) as issuer:
        yield issuer


@pytest.fixture
def issued(issuer: Issuer) -> IssuedCredentials:
    return issuer.signup(MAIL, PASSWORD, deliver="both")


def purge(issuer: Issuer) -> int:
    return drive(purge_expired(issuer.parts), issuer.parts.sync_ports)


def entries(issuer: Issuer) -> int:
    return len(issuer.parts.sync_store.log.snapshot().entries)


@pytest.mark.parametrize("step", STEPS)
def test_a_clock_that_is_wrong_for_one_purge_deletes_nothing(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    other = issuer.login(MAIL, PASSWORD, deliver="both")
    issuer.logout(issued.sid)
    clocks.offset = step
    with caplog.at_level(logging.WARNING, "keyturn.clock"):
        assert purge(issuer) == 0
        clocks.offset = 0
        purge(issuer)
    assert [each.levelname for each in caplog.records if each.name == "keyturn.clock"] == ["ERROR", "WARNING"]
    assert f"{step:+.1f} s" in caplog.text
    assert entries(issuer) == 1
    assert issuer.introspect(issued.access_token) == {"active": False}
    assert issuer.verify(other.session_token).sid == other.sid
    assert issuer.refresh(other.refresh_token).refresh_token


@pytest.mark.parametrize("step", STEPS)
def test_a_wrong_clock_logs_nobody_out(issuer: Issuer, issued: IssuedCredentials, clocks: Clocks, step: int) -> None:
    """Each credential is accepted or refused with 503, and is valid again once the clocks agree."""
    clocks.offset = step
    for use in (
        lambda: issuer.verify(issued.session_token),
        lambda: issuer.verify(issued.access_token),
        lambda: issuer.introspect(issued.access_token)["active"] or pytest.fail("inactive"),
        lambda: issuer.introspect(issued.session_token)["active"] or pytest.fail("inactive"),
    ):
        with suppress(ClockUncertain):
            use()
    clocks.offset = 0
    assert issuer.verify(issued.session_token).sid == issuer.verify(issued.access_token).sid == issued.sid
    assert issuer.refresh(issued.refresh_token).refresh_token


@pytest.mark.parametrize("step", STEPS)
def test_a_login_under_a_wrong_clock_is_usable_everywhere_or_refused(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks, step: int
) -> None:
    clocks.offset = step
    if abs(step) > 600:
        with pytest.raises(ClockUncertain):
            issuer.login(MAIL, PASSWORD)
        return
    fresh = issuer.login(MAIL, PASSWORD, deliver="both")
    assert issuer.verify(fresh.access_token).sid == fresh.sid
    clocks.offset = 0
    assert issuer.verify(fresh.access_token).sid == issuer.verify(fresh.session_token).sid == fresh.sid


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("target", ["everything", "client"])
def test_a_revocation_by_a_wrong_clock_covers_every_earlier_login_and_no_later_one(
    tmp_path: Path, issuer: Issuer, issued: IssuedCredentials, clocks: Clocks, step: int, target: str
) -> None:
    wrong = Clocks()
    with open_issuer(tmp_path, wrong) as other:
        wrong.offset, wrong.elapsed = step, clocks.elapsed
        other.revoke_everything() if target == "everything" else other.revoke_client("default")
    assert issuer.introspect(issued.session_token) == issuer.introspect(issued.access_token) == {"active": False}
    fresh = issuer.login(MAIL, PASSWORD, deliver="both")
    assert issuer.verify(fresh.session_token).sid == issuer.verify(fresh.access_token).sid == fresh.sid


def test_a_machine_that_slept_is_in_no_doubt(issuer: Issuer, issued: IssuedCredentials, clocks: Clocks) -> None:
    clocks.elapsed = 2 * HOUR  # CLOCK_BOOTTIME counts the time of a suspended machine, and so does the wall clock
    with pytest.raises(TokenExpired):
        issuer.verify(issued.access_token)
    clocks.elapsed = 400 * DAY
    with pytest.raises(SessionEnded):
        issuer.verify(issued.session_token)
    assert purge(issuer) == 1


def test_keys_are_not_rolled_while_the_clocks_disagree(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks
) -> None:
    clocks.offset = 400 * DAY
    drive(refresh_keys(issuer.parts), issuer.parts.sync_ports)
    clocks.offset = 0
    assert issuer.verify(issued.access_token).sid == issued.sid
    assert len(issuer.parts.sync_store.keys.list()) == 1


def test_a_refresh_that_the_clocks_cannot_judge_ends_no_session(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks
) -> None:
    issuer.refresh(issued.refresh_token)
    clocks.offset = 25.0  # the grace window is over by one clock only
    clocks.elapsed = 10.0
    with pytest.raises(ClockUncertain):
        issuer.refresh(issued.refresh_token)
    clocks.offset = 0
    assert issuer.refresh(issued.refresh_token).refresh_token


def clock_of(clocks: Clocks) -> StoreClock:
    return StoreClock(clocks.wall, clocks.monotonic, 5, patience_seconds=HOUR)


def test_a_slow_measurement_does_not_replace_an_exact_one(clocks: Clocks) -> None:
    clock = clock_of(clocks)
    clock.record(START, clocks.monotonic())
    clocks.elapsed = 60.0
    clock.record(START + 40, clocks.monotonic() - 40)
    clocks.offset = 6
    assert clock.read().gap_seconds == 6


@pytest.mark.parametrize("step", STEPS)
def test_a_store_whose_clock_steps_is_in_doubt_until_it_steps_back(clocks: Clocks, step: int) -> None:
    clock = clock_of(clocks)
    clock.record(START, clocks.monotonic())
    clock.record(START + step, clocks.monotonic())
    reading = clock.read()
    assert (clock.certain_now(), reading.gap_seconds) == (None, abs(step))
    assert reading.now + reading.lead_seconds == START
    clock.record(START, clocks.monotonic())
    assert clock.certain_now() == START


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_both_clocks_follow_is_noticed(clocks: Clocks, step: int) -> None:
    """The database is on this machine, or all machines follow one bad time server."""
    clock = clock_of(clocks)
    clock.record(START, clocks.monotonic())
    clocks.offset = step
    clock.record(clocks.wall(), clocks.monotonic())
    assert clock.read().gap_seconds == abs(step)
    clocks.offset = 0
    clock.record(clocks.wall(), clocks.monotonic())
    assert clock.certain_now() == START


@pytest.mark.parametrize("shown", [True, False])
def test_a_step_that_lasts_is_believed_in_the_end(clocks: Clocks, shown: bool) -> None:
    clock = clock_of(clocks)
    clocks.offset = 2 * HOUR
    for clocks.elapsed in range(0, HOUR, 15):
        clock.record(clocks.wall() if shown and clocks.elapsed else None, clocks.monotonic())
        assert clock.certain_now() is None or shown
    clocks.elapsed = HOUR + 15
    clock.record(clocks.wall() if shown else None, clocks.monotonic())
    assert clock.certain_now() == START + 3 * HOUR + 15


def test_the_first_measurement_of_the_store_is_believed_before_the_wall_clock(clocks: Clocks) -> None:
    clocks.offset = -2 * HOUR
    clock = clock_of(clocks)
    clock.record(START, clocks.monotonic())
    assert clock.read().now + clock.read().lead_seconds == START


def test_a_session_stays_alive_through_a_long_doubt(issuer: Issuer, issued: IssuedCredentials, clocks: Clocks) -> None:
    clocks.offset = -300
    for clocks.elapsed in range(0, 8 * DAY, 12 * HOUR):
        assert issuer.verify(issued.session_token).sid == issued.sid
    clocks.offset = 0
    assert issuer.verify(issued.session_token).sid == issued.sid


def test_a_retry_after_a_refresh_under_doubt_gets_the_same_successor(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks
) -> None:
    clocks.offset = -25
    first = issuer.refresh(issued.refresh_token)
    clocks.elapsed += 3
    assert issuer.refresh(issued.refresh_token).refresh_token == first.refresh_token
    clocks.offset, clocks.elapsed = 0, 25.0
    assert issuer.refresh(issued.refresh_token).refresh_token == first.refresh_token


def test_a_process_that_starts_behind_revokes_what_the_store_has_seen(
    tmp_path: Path, issuer: Issuer, issued: IssuedCredentials, clocks: Clocks
) -> None:
    behind = Clocks()
    behind.offset = -2 * HOUR
    with open_issuer(tmp_path, behind) as other:
        other.revoke_everything()
    assert issuer.introspect(issued.session_token) == issuer.introspect(issued.access_token) == {"active": False}


def test_a_rotation_by_a_process_that_started_ahead_leaves_no_open_window(
    tmp_path: Path, issuer: Issuer, issued: IssuedCredentials
) -> None:
    ahead = Clocks()
    ahead.offset = 2 * HOUR
    with open_issuer(tmp_path, ahead) as other:
        other.refresh(issued.refresh_token)
    with pytest.raises(ClockUncertain):
        issuer.refresh(issued.refresh_token)
    assert issuer.verify(issued.session_token).sid == issued.sid


def test_a_first_start_in_doubt_makes_the_first_key(tmp_path: Path, clocks: Clocks) -> None:
    made = complete_settings(read_settings({}, data_dir=str(tmp_path), algorithm="EdDSA"), "http://127.0.0.1:8000")
    parts = build_components(made.settings, is_async=False, clock=clocks.wall, monotonic=clocks.monotonic)
    clocks.offset = 20
    drive(refresh_keys(parts), parts.sync_ports)
    assert len(parts.sync_store.keys.list()) == 1
    parts.sync_store.close()
    parts.hasher.close()


def test_sessions_are_listed_while_the_clocks_disagree(
    issuer: Issuer, issued: IssuedCredentials, clocks: Clocks
) -> None:
    clocks.offset = 40 * DAY
    assert [each.sid for each in issuer.sessions(issued.subject)] == [issued.sid]


def test_a_process_whose_store_is_its_own_memory_trusts_the_wall_clock(clocks: Clocks) -> None:
    clock = StoreClock(clocks.wall, clocks.monotonic, 5, patience_seconds=HOUR, is_checked=False)
    clock.record(None, 0.0)
    clocks.offset = 40 * DAY
    assert clock.certain_now() == clock.read().now == START + 40 * DAY

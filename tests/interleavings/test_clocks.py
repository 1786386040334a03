"""A wall clock that steps at any moment: nothing is deleted, nobody is logged out, nothing revoked is accepted."""

from collections.abc import Callable, Sequence

import pytest

from interleavings import clocks
from interleavings.clocks import STEPS, explore, make_processes, stepping
from interleavings.explorer import Report
from keyturn.core import clocks as core_clocks
from keyturn.core.clocks import ClockBounds, ClockReading
from keyturn.core.types import EPOCH, Instant
from keyturn.stores.memory.sessions import MemorySessions

Reported = Callable[[Report], None]


@pytest.mark.parametrize("step", STEPS)
def test_a_purge_and_a_revocation_under_a_stepping_clock(step: int, reported: Reported) -> None:
    harness = make_processes()
    actors = [
        stepping(step),
        clocks.purging(harness),
        harness.revoke("r"),
        clocks.following(harness, "b"),
    ]
    report = explore(f"clock {step:+} s / purge / revoke / feed", harness, actors, {"x"})
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("step", STEPS)
def test_a_refresh_and_checks_under_a_stepping_clock(step: int, reported: Reported) -> None:
    harness = make_processes()
    actors = [
        stepping(step),
        clocks.refreshing(harness, "y"),
        clocks.checking_access(harness, "y"),
        clocks.verifying(harness, "y"),
    ]
    report = explore(f"clock {step:+} s / refresh / access / verify", harness, actors, set())
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("step", STEPS)
def test_a_revocation_of_everything_by_a_stepping_clock_covers_earlier_logins(step: int, reported: Reported) -> None:
    harness = make_processes()
    actors = [stepping(step), clocks.revoking_everything(harness), clocks.purging(harness)]
    report = explore(f"clock {step:+} s / revoke everything / purge", harness, actors, {"x", "y"})
    reported(report)
    assert report.violations == []


def trusting(wall: float, _monotonic: float, _references: Sequence[ClockBounds], _tolerance: float) -> ClockReading:
    """Read the wall clock alone, as before two clocks were compared."""
    return ClockReading(Instant(int(wall)))


@pytest.mark.parametrize("step", [40 * clocks.DAY])
def test_a_process_that_trusts_its_wall_clock_is_caught(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.config.store_clock.read_clocks", trusting)
    assert core_clocks.read_clocks is not trusting
    harness = make_processes()
    actors = [stepping(step), clocks.purging(harness), harness.revoke("r"), clocks.verifying(harness, "y")]
    assert explore("", harness, actors, {"x"}).violations


def test_a_revocation_of_everything_by_a_slow_wall_clock_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.config.store_clock.read_clocks", trusting)
    # Otherwise the last use of a session, which the store knows, is a lower bound.
    monkeypatch.setattr(MemorySessions, "last_use", lambda *_: EPOCH)
    harness = make_processes()
    assert explore("", harness, [stepping(-10), clocks.revoking_everything(harness)], {"x", "y"}).violations

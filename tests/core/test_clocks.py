"""Two clocks: what each bound and each difference means for the present time."""

import pytest

from keyturn.core.clocks import ClockBounds, ClockReading, read_clocks

HOUR, DAY = 3600, 86_400
MONOTONIC = 500.0
WALL = 1_800_000_000.0
EXACT = ClockBounds.from_measurement(WALL, MONOTONIC, MONOTONIC)


def test_the_error_of_a_measurement_is_its_round_trip() -> None:
    bounds = ClockBounds.from_measurement(1000.0, sent_at=10.0, received_at=12.0)
    assert (bounds.low, bounds.high) == (988.0, 990.0)
    assert bounds.is_measured
    assert not ClockBounds().is_measured


@pytest.mark.parametrize("wall", [WALL - 5, WALL, WALL + 5])
def test_clocks_within_the_tolerance_agree_on_the_reference(wall: float) -> None:
    reading = read_clocks(wall, MONOTONIC, EXACT, 5)
    assert (reading.now, reading.gap_seconds, reading.reference_lead_seconds) == (WALL, 0, 0)
    assert reading.difference_seconds == wall - WALL


@pytest.mark.parametrize("step", [10, 2 * HOUR, 40 * DAY])
def test_a_wall_clock_ahead_leaves_the_reference_as_the_earlier_clock(step: int) -> None:
    assert read_clocks(WALL + step, MONOTONIC, EXACT, 5) == ClockReading(int(WALL), step, 0, step)


@pytest.mark.parametrize("step", [10, 2 * HOUR, 40 * DAY])
def test_a_wall_clock_behind_is_the_earlier_clock(step: int) -> None:
    assert read_clocks(WALL - step, MONOTONIC, EXACT, 5) == ClockReading(int(WALL) - step, step, step, -step)


def test_the_error_of_measurement_is_no_difference() -> None:
    bounds = ClockBounds.from_measurement(WALL, MONOTONIC - 3, MONOTONIC + 1)
    assert read_clocks(WALL + 8, MONOTONIC, bounds, 5).gap_seconds == 0
    assert read_clocks(WALL - 6, MONOTONIC, bounds, 5).gap_seconds == 0
    assert read_clocks(WALL + 8.5, MONOTONIC, bounds, 5).gap_seconds == 9
    assert read_clocks(WALL - 6.5, MONOTONIC, bounds, 5).gap_seconds == 10


def test_the_reference_goes_on_with_the_monotonic_clock() -> None:
    assert read_clocks(WALL, MONOTONIC + 2 * HOUR, EXACT, 5).gap_seconds == 2 * HOUR
    assert read_clocks(WALL + 2 * HOUR, MONOTONIC + 2 * HOUR, EXACT, 5) == ClockReading(int(WALL) + 2 * HOUR)


def test_a_wall_clock_without_a_reference_counts_alone() -> None:
    assert read_clocks(WALL + 0.9, MONOTONIC, ClockBounds(), 5) == ClockReading(int(WALL))

"""Two clocks: what each bound and each difference means for the present time."""

import pytest

from keyturn.core.clocks import ClockBounds, ClockReading, SteadyClock, read_clocks

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
    reading = read_clocks(wall, MONOTONIC, (EXACT,), 5)
    assert (reading.now, reading.gap_seconds, reading.lead_seconds) == (WALL, 0, 0)
    assert reading.difference_seconds == wall - WALL


@pytest.mark.parametrize("step", [10, 2 * HOUR, 40 * DAY])
def test_a_wall_clock_ahead_leaves_the_reference_as_the_earlier_clock(step: int) -> None:
    assert read_clocks(WALL + step, MONOTONIC, (EXACT,), 5) == ClockReading(int(WALL), step, 0, step)


@pytest.mark.parametrize("step", [10, 2 * HOUR, 40 * DAY])
def test_a_wall_clock_behind_is_the_earlier_clock(step: int) -> None:
    assert read_clocks(WALL - step, MONOTONIC, (EXACT,), 5) == ClockReading(int(WALL) - step, step, step, -step)


def test_the_error_of_measurement_is_no_difference() -> None:
    bounds = ClockBounds.from_measurement(WALL, MONOTONIC - 3, MONOTONIC + 1)
    assert read_clocks(WALL + 8, MONOTONIC, (bounds,), 5).gap_seconds == 0
    assert read_clocks(WALL - 6, MONOTONIC, (bounds,), 5).gap_seconds == 0
    assert read_clocks(WALL + 8.5, MONOTONIC, (bounds,), 5).gap_seconds == 9
    assert read_clocks(WALL - 6.5, MONOTONIC, (bounds,), 5).gap_seconds == 10


def test_the_reference_goes_on_with_the_monotonic_clock() -> None:
    assert read_clocks(WALL, MONOTONIC + 2 * HOUR, (EXACT,), 5).gap_seconds == 2 * HOUR
    assert read_clocks(WALL + 2 * HOUR, MONOTONIC + 2 * HOUR, (EXACT,), 5) == ClockReading(int(WALL) + 2 * HOUR)


def test_a_wall_clock_without_a_reference_counts_alone() -> None:
    assert read_clocks(WALL + 0.9, MONOTONIC, (ClockBounds(),), 5) == ClockReading(int(WALL))


@pytest.mark.parametrize(
    ("wall", "store", "steady", "lead"),
    [
        (2 * HOUR, 0, 0, 0),  # the wall clock is ahead
        (-2 * HOUR, 0, 0, 2 * HOUR),  # it is behind
        (0, 40 * DAY, 0, 0),  # the store is ahead
        (0, -40 * DAY, 0, 40 * DAY),  # it is behind
        (HOUR, HOUR, 0, HOUR),  # both stepped together
    ],
)
def test_of_three_clocks_the_median_dates(wall: int, store: int, steady: int, lead: int) -> None:
    references = [ClockBounds(WALL - MONOTONIC + each, WALL - MONOTONIC + each) for each in (store, steady)]
    reading = read_clocks(WALL + wall, MONOTONIC, references, 5)
    shown = (wall, store, steady)
    assert (reading.now, reading.gap_seconds) == (WALL + min(shown), max(shown) - min(shown))
    assert reading.lead_seconds == lead


def steady_clock() -> SteadyClock:
    return SteadyClock(WALL, MONOTONIC, patience_seconds=HOUR)


def offset_of(clock: SteadyClock) -> float:
    return clock.bounds.low - (WALL - MONOTONIC)


def test_a_steady_clock_follows_small_corrections_slowly() -> None:
    clock = steady_clock()
    clock.follow(WALL + 1, MONOTONIC, 5)
    assert offset_of(clock) == 0
    clock.follow(WALL + 16, MONOTONIC + 15, 5)
    assert offset_of(clock) == pytest.approx(0.15)
    clock.follow(WALL + 1001, MONOTONIC + 1000, 5)
    assert offset_of(clock) == pytest.approx(1)
    clock.follow(WALL + 2000, MONOTONIC + 2000, 5)
    assert offset_of(clock) == pytest.approx(0)


def test_a_steady_clock_follows_a_step_once_it_has_lasted() -> None:
    clock = steady_clock()
    for elapsed in range(0, HOUR, 15):
        clock.follow(WALL + DAY + elapsed, MONOTONIC + elapsed, 5)
        assert offset_of(clock) == 0
    clock.follow(WALL + DAY + HOUR, MONOTONIC + HOUR, 5)
    assert offset_of(clock) == DAY


@pytest.mark.parametrize("back", [0, 2 * DAY])
def test_a_step_that_does_not_last_is_never_followed(back: int) -> None:
    clock = steady_clock()
    for number, elapsed in enumerate(range(0, 10 * HOUR, 1800)):
        clock.follow(WALL + (back if number % 2 else DAY) + elapsed, MONOTONIC + elapsed, 5)
        assert abs(offset_of(clock)) < 1

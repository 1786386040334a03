"""Sampling in rounds: sides alternate within one run, so that a slow phase of the machine affects all of them."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

SAMPLE_SECONDS = 0.04
"""Shortest duration of a sample; shorter ones would measure the clock."""

Clock = Callable[[], float]


@dataclass
class Plan:
    """Extent of a measurement. ``tick`` is called after each round, for the progress bar."""

    rounds: int = 15
    sample_seconds: float = SAMPLE_SECONDS
    logins: int = 40
    revocations: int = 200
    tick: Callable[[], None] = lambda: None


QUICK = Plan(rounds=2, sample_seconds=0.001, logins=2, revocations=5)
"""Shortest plan that runs everything; its figures are meaningless."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    ``prepare(count)`` returns the input for ``count`` operations; it is not timed. ``work`` performs them; it is timed.
    ``max_count``: largest ``count``.
    """

    name: str
    work: Callable[[Any], object]
    prepare: Callable[[int], Any]
    max_count: int = 1_000_000


@dataclass
class Series:
    """Samples of one side, one per round."""

    name: str
    samples: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and third quartiles."""
        if len(self.samples) < 2:
            return self.middle, self.middle
        low, _, high = quantiles(self.samples, n=4, method="inclusive")
        return low, high


def repeat(name: str, act: Callable[[], object]) -> Side:
    """Return a side that calls ``act`` repeatedly."""

    def work(count: int) -> None:
        for _ in range(count):
            act()

    return Side(name, work, lambda count: count)


def alternate(sides: Sequence[Side], plan: Plan, clock: Clock = time.process_time) -> list[Series]:
    """Return microseconds per operation. Each side runs once per round; the first of a round is last in the next."""
    counts = {side.name: _calibrate(side, plan, clock) for side in sides}
    by_name = {side.name: Series(side.name) for side in sides}
    with gc_frozen():
        for number in range(plan.rounds):
            offset = number % len(sides)
            for side in (*sides[offset:], *sides[:offset]):
                by_name[side.name].samples.append(_sample(side, counts[side.name], clock))
            plan.tick()
    return [by_name[side.name] for side in sides]


def ratio(series: Series, baseline: Series) -> float:
    """Return the median over the rounds of series / baseline, because both sides of a round met the same conditions."""
    return median(a / b for a, b in zip(series.samples, baseline.samples, strict=True))


def subtract_bare(series: Series, bare: Series) -> Series:
    """Return the cost of ``series`` above ``bare``, round by round."""
    return Series(series.name, [a - b for a, b in zip(series.samples, bare.samples, strict=True)])


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Freeze all existing objects, so that the garbage collector skips them while measuring."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def pin_to_core() -> Iterator[None]:
    """Pin the process to one core, on systems that support it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _calibrate(side: Side, plan: Plan, clock: Clock) -> int:
    """Return the number of operations of a sample of at least ``plan.sample_seconds``. Also warms up the side."""
    count = 1
    while True:
        seconds = _sample(side, count, clock) * count / 1e6
        if seconds >= plan.sample_seconds or count >= side.max_count:
            return count
        count = min(side.max_count, max(count * 2, int(count * plan.sample_seconds / max(seconds, 1e-7))))


def _sample(side: Side, count: int, clock: Clock) -> float:
    prepared = side.prepare(count)
    started_at = clock()
    side.work(prepared)
    return (clock() - started_at) / count * 1e6

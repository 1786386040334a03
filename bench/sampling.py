"""Rounds: sides take turns within one run, so that a machine that slows down slows them all."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

SAMPLE_SECONDS = 0.04
"""How long one sample takes at least; shorter ones would measure the clock."""

Clock = Callable[[], float]


@dataclass
class Plan:
    """How much to measure. ``tick`` is called after each round, for the progress bar."""

    rounds: int = 15
    sample_seconds: float = SAMPLE_SECONDS
    logins: int = 40
    revocations: int = 200
    tick: Callable[[], None] = lambda: None


QUICK = Plan(rounds=2, sample_seconds=0.001, logins=2, revocations=5)
"""Enough to see that everything runs; its figures mean nothing."""


@dataclass(frozen=True)
class Side:
    """``work(material)`` does ``count`` pieces of work with what ``prepare(count)`` made, which is not timed."""

    name: str
    work: Callable[[Any], object]
    prepare: Callable[[int], Any]
    most: int = 1_000_000


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
        """The quartiles."""
        if len(self.samples) < 2:
            return self.middle, self.middle
        low, _, high = quantiles(self.samples, n=4, method="inclusive")
        return low, high


def repeated(name: str, act: Callable[[], object]) -> Side:
    """Return a side that calls ``act`` repeatedly."""

    def work(count: int) -> None:
        for _ in range(count):
            act()

    return Side(name, work, lambda count: count)


def take_turns(sides: Sequence[Side], plan: Plan, clock: Clock = time.process_time) -> list[Series]:
    """Microseconds per piece of work, each side once per round, the first of one round last in the next."""
    counts = {side.name: _calibrate(side, plan, clock) for side in sides}
    found = {side.name: Series(side.name) for side in sides}
    with settled():
        for number in range(plan.rounds):
            turn = number % len(sides)
            for side in (*sides[turn:], *sides[:turn]):
                found[side.name].samples.append(_sample(side, counts[side.name], clock))
            plan.tick()
    return [found[side.name] for side in sides]


def ratio(ours: Series, theirs: Series) -> float:
    """Median over the rounds of ours by theirs: both of one round met the same machine."""
    return median(a / b for a, b in zip(ours.samples, theirs.samples, strict=True))


def over(series: Series, bare: Series) -> Series:
    """Return the cost of ``series`` above ``bare``, round by round."""
    return Series(series.name, [a - b for a, b in zip(series.samples, bare.samples, strict=True)])


@contextmanager
def settled() -> Iterator[None]:
    """Freeze all existing objects, so that the garbage collector skips them while measuring."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def pinned() -> Iterator[None]:
    """Both sides on one and the same core, where the system lets us choose."""
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
    """Also the warm-up: it goes on until a sample is long enough."""
    count = 1
    while True:
        seconds = _sample(side, count, clock) * count / 1e6
        if seconds >= plan.sample_seconds or count >= side.most:
            return count
        count = min(side.most, max(count * 2, int(count * plan.sample_seconds / max(seconds, 1e-7))))


def _sample(side: Side, count: int, clock: Clock) -> float:
    material = side.prepare(count)
    started = clock()
    side.work(material)
    return (clock() - started) / count * 1e6

"""Throttle bypass by racing: many attempts in flight before the first one is counted.

Sources: PortSwigger Research, "Smashing the state machine" (2023; single-packet attacks on rate limits), CWE-307,
CWE-362. Every attempt is reserved by compare-and-swap before the password is hashed. The races are explored two
ways: every schedule of a small crowd, and real threads.
"""

import threading
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.throttle import Bucket, Rate, release, try_reserve
from keyturn.core.types import Instant

NOW = Instant(1_700_000_000)


class Store:
    """One row and a compare-and-swap, as ``ThrottleStore`` promises."""

    def __init__(self) -> None:
        self.row: Bucket | None = None
        self._lock = threading.Lock()

    def swap(self, changed: Bucket) -> bool:
        with self._lock:
            if (self.row.version if self.row else 0) != changed.version - 1:
                return False
            self.row = changed
            return True


def attempt(store: Store, now: Instant, rate: Rate, succeeds: bool = False) -> Generator[None, None, bool]:
    """One login: it can be stopped between every read and write. Returns whether a wrong password was tried."""
    while True:
        found = store.row
        yield
        admission = try_reserve("k", found, now, rate)
        if not admission.allowed:
            return False
        if store.swap(admission.bucket):
            break
    yield
    while succeeds:
        found = store.row
        yield
        assert found is not None
        if store.swap(release(found, now, rate)):
            return False
    return True


def run(schedule: list[int], crowd: list[Generator[None, None, bool]]) -> int:
    """Advance the attempts in the order of ``schedule``, then in turn. Return the number of passwords tried."""
    tried, running = 0, dict(enumerate(crowd))
    for turn in [*schedule, *range(len(crowd) * 1000)]:
        who = turn % len(crowd)
        if who in running:
            try:
                next(running[who])
            except StopIteration as end:
                tried += end.value
                del running[who]
    assert not running
    return tried


@given(st.lists(st.integers(0, 11), max_size=120), st.integers(1, 8))
def test_no_interleaving_admits_more_than_the_burst(schedule: list[int], limit: int) -> None:
    rate, store = Rate(limit, 900), Store()
    assert run(schedule, [attempt(store, NOW, rate) for _ in range(12)]) == rate.burst


@given(st.lists(st.integers(0, 11), max_size=120), st.lists(st.booleans(), min_size=12, max_size=12))
def test_successes_among_them_buy_no_extra_failure(schedule: list[int], succeed: list[bool]) -> None:
    rate, store = Rate(4, 900), Store()
    tried = run(schedule, [attempt(store, NOW, rate, succeeds) for succeeds in succeed])
    assert tried <= rate.burst
    assert store.row is not None
    assert store.row.level == tried * rate.cost_seconds


@given(
    st.integers(1, 6),
    st.lists(st.lists(st.integers(0, 5), max_size=30), min_size=1, max_size=12),
    st.lists(st.integers(0, 12), min_size=12, max_size=12),
)
def test_parallel_bursts_stay_within_the_limit_in_every_window(
    limit: int, schedules: list[list[int]], gaps: list[int]
) -> None:
    rate, store, now, failed_at = Rate(limit, 30), Store(), NOW, list[int]()
    for schedule, gap in zip(schedules, gaps, strict=False):
        now = Instant(now + gap)
        failed_at += [now] * run(schedule, [attempt(store, now, rate) for _ in range(6)])
    for start in failed_at:
        assert sum(start <= at < start + rate.window_seconds for at in failed_at) <= limit


@pytest.mark.parametrize("threads", [2, 16, 64])
def test_real_threads_at_once_are_admitted_no_more_often_than_one(threads: int) -> None:
    rate, store = Rate(10, 900), Store()
    gate, tried = threading.Barrier(threads), list[bool]()

    def rush() -> None:
        gate.wait()
        for _ in range(10):
            steps = attempt(store, NOW, rate)
            try:
                while True:
                    next(steps)
            except StopIteration as end:
                tried.append(end.value)

    crowd = [threading.Thread(target=rush) for _ in range(threads)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    assert len(tried) == threads * 10
    assert tried.count(True) == rate.burst

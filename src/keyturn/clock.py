"""Clocks: seconds that never go back. For ages only: none of them knows what day it is."""

import time
from collections.abc import Callable
from functools import partial


def _clock(name: str) -> Callable[[], float]:
    number: int | None = getattr(time, name, None)
    return time.monotonic if number is None else partial(time.clock_gettime, number)


boottime = _clock("CLOCK_BOOTTIME")
"""Goes on while the machine sleeps, so that news heard before it slept is old when it wakes (decision 0019)."""

monotonic_raw = _clock("CLOCK_MONOTONIC_RAW")
"""Runs at the rate of the hardware: a time daemon that slews the other clocks, by up to 8 %, does not reach it."""

"""Monotonic clocks, in seconds: for measuring intervals only, not for dates."""

import time
from collections.abc import Callable
from functools import partial


def _clock(name: str) -> Callable[[], float]:
    number: int | None = getattr(time, name, None)
    return time.monotonic if number is None else partial(time.clock_gettime, number)


boottime = _clock("CLOCK_BOOTTIME")
"""Includes the time the machine is suspended: a feed read before a suspend counts as old after it (decision 0019)."""

monotonic_raw = _clock("CLOCK_MONOTONIC_RAW")
"""Runs at the rate of the hardware. A time daemon slews the other clocks, by up to 8 %, but not this one."""

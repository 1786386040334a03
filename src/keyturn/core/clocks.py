"""Comparison of two clocks: the wall clock of this machine, and a reference that other machines follow as well.

A wall clock may be wrong for seconds or days (a bad time server, a resumed virtual machine). Alone, it would delete
revocations that are still needed and end sessions that are still valid. So nothing is decided by one clock while the
two disagree: only what is valid by both is accepted, and nothing is deleted.
"""

from dataclasses import dataclass
from math import floor

from keyturn.core.types import Instant


@dataclass(frozen=True, slots=True)
class ClockBounds:
    """Bounds of a reference clock, as its difference from a local monotonic clock, in seconds.

    The reference shows between ``monotonic + low`` and ``monotonic + high``. Unbounded until it was measured.
    """

    low: float = float("-inf")
    high: float = float("inf")

    @classmethod
    def from_measurement(
        cls, shown: float, sent_at: float, received_at: float, precision_seconds: float = 0
    ) -> "ClockBounds":
        """Return the bounds for a reference that showed ``shown`` between two monotonic times.

        The error is the round trip: ``shown`` may have been read at either end of it. ``precision_seconds``: 1 if it
        was rounded down to whole seconds.
        """
        return cls(shown - received_at, shown + precision_seconds - sent_at)

    def update(self, measured: "ClockBounds") -> "ClockBounds":
        """Return ``measured``, or these bounds if both may be of the same clock and these are narrower."""
        is_same_clock = measured.low <= self.high and self.low <= measured.high
        return self if is_same_clock and self.high - self.low < measured.high - measured.low else measured

    @property
    def is_measured(self) -> bool:
        """True once the reference was measured."""
        return self.high < float("inf")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Present time by the wall clock of this machine and by its reference.

    ``now``: the earlier of both, or the reference while they agree, so that all issuers date by one clock.
    ``gap_seconds``: the later minus the earlier; 0 while they agree.
    ``reference_lead_seconds``: the reference minus ``now``; 0 while they agree.
    ``difference_seconds``: the wall clock minus the reference, 0 within the error of measurement.
    """

    now: Instant
    gap_seconds: int = 0
    reference_lead_seconds: int = 0
    difference_seconds: float = 0.0


def read_clocks(wall: float, monotonic: float, bounds: ClockBounds, tolerance_seconds: float) -> ClockReading:
    """Compare ``wall`` (Unix time) with a reference bounded at ``monotonic``.

    They disagree if the difference exceeds ``tolerance_seconds`` and the error of measurement. Without a measurement,
    the wall clock counts alone.
    """
    earliest, latest = monotonic + bounds.low, monotonic + bounds.high
    difference = wall - min(max(wall, earliest), latest)
    if not bounds.is_measured:
        return ClockReading(Instant(floor(wall)))
    if abs(difference) <= tolerance_seconds:
        return ClockReading(Instant(floor((earliest + latest) / 2)), difference_seconds=difference)
    now, later = floor(min(wall, earliest)), floor(max(wall, latest))
    reference = latest if difference < 0 else earliest
    return ClockReading(Instant(now), later - now, floor(reference) - now, difference)

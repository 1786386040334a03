"""Comparison of clocks: the wall clock of this machine, that of another one, and the time that has passed.

A wall clock may be wrong for seconds or days (a bad time server, a resumed virtual machine). Alone, it would delete
revocations that are still needed and end sessions that are still valid. So nothing is decided by one clock while two
disagree: only what is valid by all is accepted, and nothing is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from keyturn.core.types import Instant

MAX_CORRECTION_SHARE = 0.01
"""Largest correction that is followed, as a share of the time since the last one."""


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
    """Present time by the wall clock of this machine and by its references.

    ``now``: the earliest, or the first reference while all agree, so that all issuers date by one clock.
    ``gap_seconds``: the latest minus the earliest; 0 while they agree.
    ``lead_seconds``: the best estimate minus ``now``: the median of three, of two the reference. 0 while they agree.
    ``difference_seconds``: the wall clock minus the reference that is furthest from it, 0 within the error.
    """

    now: Instant
    gap_seconds: int = 0
    lead_seconds: int = 0
    difference_seconds: float = 0.0


def read_clocks(
    wall: float, monotonic: float, references: Sequence[ClockBounds], tolerance_seconds: float
) -> ClockReading:
    """Compare ``wall`` (Unix time) with references that are bounded at ``monotonic``.

    It disagrees with one if the difference exceeds ``tolerance_seconds`` and the error of measurement. A reference that
    was never measured does not count; without any, the wall clock counts alone.
    """
    shown = [(monotonic + each.low, monotonic + each.high) for each in references if each.is_measured]
    if not shown:
        return ClockReading(Instant(floor(wall)))
    nearest = [min(max(wall, low), high) for low, high in shown]
    difference = max((wall - each for each in nearest), key=abs)
    if abs(difference) <= tolerance_seconds:
        return ClockReading(Instant(floor(sum(shown[0]) / 2)), difference_seconds=difference)
    earliest = floor(min(wall, *(low for low, _ in shown)))
    latest = floor(max(wall, *(high for _, high in shown)))
    best = nearest[0] if len(nearest) == 1 else sorted((wall, *nearest))[len(nearest) // 2]
    return ClockReading(Instant(earliest), latest - earliest, floor(best) - earliest, difference)


class SteadyClock:
    """Wall time by the progress of a monotonic clock since the start: no step of another clock changes it at once.

    ``shown``: the time at ``monotonic``. ``patience_seconds``: a clock that stepped is believed when it has gone on
    steadily for so long. By then, every token that an earlier revocation could stop has expired, by any clock.
    """

    def __init__(self, shown: float, monotonic: float, patience_seconds: float) -> None:
        self._offset = shown - monotonic
        self._patience_seconds = patience_seconds
        self._followed_at = monotonic
        self._stepped: tuple[float, float] | None = None

    @property
    def bounds(self) -> ClockBounds:
        """This clock as a reference, without error of measurement."""
        return ClockBounds(self._offset, self._offset)

    def follow(self, shown: float, monotonic: float, tolerance_seconds: float) -> None:
        """Compare with a clock that shows ``shown``: follow small corrections of it, and a step when it has lasted."""
        error = shown - monotonic - self._offset
        if abs(error) <= tolerance_seconds:
            # Slowly, as time servers correct: otherwise many small steps would be one large step.
            most = MAX_CORRECTION_SHARE * (monotonic - self._followed_at)
            self._offset += min(max(error, -most), most)
            self._stepped = None
        elif self._stepped is None or abs(shown - monotonic - self._stepped[0]) > tolerance_seconds:
            self._stepped = (shown - monotonic, monotonic)
        elif monotonic - self._stepped[1] >= self._patience_seconds:
            self._offset, self._stepped = shown - monotonic, None
        self._followed_at = monotonic

"""Clock of an issuer: the store's, which all issuers share, checked against the wall clock of this machine."""

import logging
from collections.abc import Callable

from keyturn.core.clocks import ClockBounds, ClockReading, read_clocks

_logger = logging.getLogger("keyturn.clock")


class StoreClock:
    """Two clocks of an issuer: ``wall`` (Unix time), and the store's.

    The store's is extrapolated by ``monotonic`` from its last measurement. A store on this machine has no clock of its
    own. Then the progress of ``monotonic`` since the process started takes its place: it counts the time that the
    machine is suspended, and no time server sets it. ``tolerance_seconds``: largest difference, at least 1.
    ``is_checked``: False for a store that ends with this process: then the wall clock counts alone.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        tolerance_seconds: float,
        *,
        is_checked: bool = True,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._tolerance_seconds = max(1.0, tolerance_seconds)
        self._is_checked = is_checked
        self._set_bounds(self._wall_bounds())
        self._in_doubt = False

    def certain_now(self) -> float | None:
        """Return the present time if both clocks agree, else None. Called for every request: faster than ``read``."""
        monotonic = self._monotonic()
        low, high, middle = self._limits
        if not self._is_checked:
            return self._wall()
        return monotonic + middle if low <= self._wall() - monotonic <= high else None

    @property
    def progress(self) -> Callable[[], float]:
        """Clock, in seconds, of the time that has passed since both clocks were compared."""
        return self._monotonic if self._is_checked else self._wall

    def read(self) -> ClockReading:
        """Return the present time by both clocks."""
        return read_clocks(self._wall(), self._monotonic(), self._bounds, self._tolerance_seconds)

    def record(self, shown: float | None, sent_at: float) -> None:
        """Record what the store's clock showed, None for a store without one.

        ``sent_at``: monotonic seconds before it was asked.
        """
        if shown is not None:
            self._set_bounds(self._bounds.update(ClockBounds.from_measurement(shown, sent_at, self._monotonic())))
        elif not self.read().gap_seconds:
            self._set_bounds(self._wall_bounds())  # follow small corrections of the wall clock, such as a leap second
        self._report(self.read())

    def _set_bounds(self, bounds: ClockBounds) -> None:
        self._bounds, tolerance = bounds, self._tolerance_seconds
        # One tuple: a request in another thread reads all three of one measurement.
        self._limits = bounds.low - tolerance, bounds.high + tolerance, (bounds.low + bounds.high) / 2

    def _wall_bounds(self) -> ClockBounds:
        if not self._is_checked:
            return ClockBounds()
        monotonic = self._monotonic()
        return ClockBounds.from_measurement(self._wall(), monotonic, monotonic)

    def _report(self, reading: ClockReading) -> None:
        in_doubt = reading.gap_seconds > 0
        if in_doubt and not self._in_doubt:
            _logger.error(
                "the clock of this machine differs from the store's by %+.1f s: nothing is purged, and a credential "
                "that is not valid by both clocks is refused with 503 clock_uncertain; set the wrong clock right (if "
                "the store is a file of this machine, restart Keyturn then)",
                reading.difference_seconds,
            )
        elif self._in_doubt and not in_doubt:
            _logger.warning("the clock of this machine agrees with the store's again")
        self._in_doubt = in_doubt

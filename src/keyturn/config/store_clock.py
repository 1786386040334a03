"""Clock of an issuer: the store's, which all issuers share, checked against the wall clock of this machine."""

import logging
from collections.abc import Callable

from keyturn.core.clocks import ClockBounds, ClockReading, SteadyClock, read_clocks

_logger = logging.getLogger("keyturn.clock")


class StoreClock:
    """Clocks of an issuer: ``wall`` (Unix time), the store's, and the progress of ``monotonic`` since the start.

    The store's is extrapolated by ``monotonic`` from its last measurement; a store on this machine has none of its own.
    ``monotonic`` counts the time that the machine is suspended, and no time server sets it: it tells a step that the
    other two follow together. ``tolerance_seconds``: largest difference, at least 1. ``patience_seconds``: see
    ``SteadyClock``. ``is_checked``: False for a store that ends with this process: then the wall clock counts alone.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        tolerance_seconds: float,
        *,
        patience_seconds: float,
        is_checked: bool = True,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._tolerance_seconds = max(1.0, tolerance_seconds)
        self._patience_seconds = patience_seconds
        self._is_checked = is_checked
        self._store = ClockBounds()
        self._steady = SteadyClock(wall(), monotonic(), patience_seconds)
        self._logged_seconds = 0.0
        self._set_limits()

    def certain_now(self) -> float | None:
        """Return the present time if all clocks agree, else None. Called for every request: faster than ``read``."""
        if not self._is_checked:
            return self._wall()
        monotonic = self._monotonic()
        low, high, middle = self._limits
        return monotonic + middle if low <= self._wall() - monotonic <= high else None

    @property
    def progress(self) -> Callable[[], float]:
        """Clock, in seconds, of the time that has passed since the clocks were compared."""
        return self._monotonic if self._is_checked else self._wall

    def read(self) -> ClockReading:
        """Return the present time by all clocks."""
        return read_clocks(self._wall(), self._monotonic(), self._references, self._tolerance_seconds)

    def record(self, shown: float | None, sent_at: float) -> None:
        """Record what the store's clock showed, None for a store without one.

        ``sent_at``: monotonic seconds before it was asked.
        """
        monotonic = self._monotonic()
        if shown is None:
            self._steady.follow(self._wall(), monotonic, self._tolerance_seconds)
        else:
            self._record_store(ClockBounds.from_measurement(shown, sent_at, monotonic), monotonic)
        self._set_limits()
        self._report(self.read())

    def _record_store(self, measured: ClockBounds, monotonic: float) -> None:
        is_first = not self._store.is_measured
        self._store = self._store.update(measured)
        shown = monotonic + (self._store.low + self._store.high) / 2
        if is_first:
            # The store's clock is shared by all issuers; the wall clock of this machine alone may have started wrong.
            self._steady = SteadyClock(shown, monotonic, self._patience_seconds)
        else:
            self._steady.follow(shown, monotonic, self._tolerance_seconds)

    @property
    def _references(self) -> tuple[ClockBounds, ...]:
        return (self._store, self._steady.bounds) if self._is_checked else ()

    def _set_limits(self) -> None:
        measured = [each for each in (self._store, self._steady.bounds) if each.is_measured]
        low, high = max(each.low for each in measured), min(each.high for each in measured)
        tolerance, first = self._tolerance_seconds, measured[0]
        # One tuple: a request in another thread reads all three of one measurement.
        self._limits = low - tolerance, high + tolerance, (first.low + first.high) / 2

    def _report(self, reading: ClockReading) -> None:
        seconds = reading.difference_seconds if reading.gap_seconds else 0.0
        if seconds and abs(seconds - self._logged_seconds) > self._tolerance_seconds:
            _logger.error(
                "a clock is wrong: the wall clock of this machine differs by %+.1f s from the store's or from the time "
                "that has passed since the last comparison; nothing is purged, and a credential that is not valid by "
                "each clock is refused with 503 clock_uncertain; set the wrong clock right, see docs/topics/clocks.md",
                seconds,
            )
            self._logged_seconds = seconds
        elif self._logged_seconds and not seconds:
            _logger.warning("the clocks agree again")
            self._logged_seconds = 0.0

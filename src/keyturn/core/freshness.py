"""Freshness of the revocation feed: its age, and the bound beyond which it must not be used."""

from dataclasses import dataclass, field
from math import nan

from keyturn.core.clocks import ClockBounds, read_clocks


@dataclass(slots=True)
class Freshness:
    """Time up to which the feed was complete, and the staleness bound.

    ``bound_seconds``: the declared staleness bound S. All times are seconds of one *monotonic* clock: a wall clock
    that steps back would make an old feed look recent.
    ``issuer_clock``: the wall clock of the issuer, as the feed tells it.
    ``wall_offset``: the issuer's clock minus the monotonic one, if the wall clock agreed with it when the feed was last
    read; NaN, which no time compares to, if it disagreed; None if the feed does not tell the issuer's clock.
    """

    bound_seconds: float
    complete_as_of: float = float("-inf")
    issuer_clock: ClockBounds = field(default_factory=ClockBounds)
    wall_offset: float | None = None

    def mark_complete(self, requested_at: float) -> None:
        """Record that the feed was complete at ``requested_at``: the time of the *request*, never of the response."""
        self.complete_as_of = max(self.complete_as_of, requested_at)

    def compare_clocks(self, wall: float, monotonic: float, tolerance_seconds: float) -> None:
        """Compare the wall clock with the issuer's, as ``read_clocks`` does, and set ``wall_offset``."""
        bounds = self.issuer_clock
        if bounds.is_measured:
            disagree = read_clocks(wall, monotonic, (bounds,), tolerance_seconds).gap_seconds
            self.wall_offset = nan if disagree else (bounds.low + bounds.high) / 2

    def age(self, now: float) -> float:
        """Return the seconds since the feed was last known to be complete."""
        return now - self.complete_as_of

    def is_fresh(self, now: float) -> bool:
        """Return True if a verdict may be given without asking the store."""
        return now - self.complete_as_of <= self.bound_seconds

    def invalidate(self) -> None:
        """Record a gap in the feed: no verdict may be given until the next ``mark_complete``."""
        self.complete_as_of = float("-inf")

"""Freshness: how old the news from the feed is, and when it is too old to act on."""

from dataclasses import dataclass


@dataclass(slots=True)
class Freshness:
    """``bound_seconds``: the declared staleness bound S. All moments come from one *monotonic* clock, in seconds:
    a wall clock that steps back would make old news look new."""

    bound_seconds: float
    complete_as_of: float = float("-inf")

    def mark_complete(self, asked_at: float) -> None:
        """The feed was complete up to ``asked_at``: when it was *asked*, never when the answer came."""
        self.complete_as_of = max(self.complete_as_of, asked_at)

    def age(self, now: float) -> float:
        """Seconds since the feed was last known to be complete."""
        return now - self.complete_as_of

    def is_fresh(self, now: float) -> bool:
        """Whether a verdict may still be given without asking."""
        return now - self.complete_as_of <= self.bound_seconds

    def invalidate(self) -> None:
        """The feed has a gap: nothing held may be believed until it is confirmed again."""
        self.complete_as_of = float("-inf")

"""Scene: the few figures a simulation of the feed runs on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    """``readers`` are verifiers; ``servers`` answer or send, each one thing at a time, in order of arrival.

    ``interval_seconds``: between two polls, or two heartbeats. ``look_seconds``: a server looks for news so often.
    ``service_seconds``: processor time of one answer or message, plus ``entry_seconds`` per entry in it.
    ``travel_seconds``: there and back. ``apply_seconds``: of one entry, in the reader.
    """

    readers: int
    servers: int
    revocations_per_second: float
    pushes: bool
    interval_seconds: float
    look_seconds: float = 0.0
    service_seconds: float = 0.0
    entry_seconds: float = 0.0
    travel_seconds: float = 0.0
    apply_seconds: float = 0.0
    bound_seconds: float = 5.0

    @property
    def events_per_second(self) -> float:
        """About how many events a second of it takes."""
        if not self.pushes:
            return 2 * self.readers / self.interval_seconds + self.revocations_per_second
        rounds = min(self.revocations_per_second, 1 / self.look_seconds if self.look_seconds else float("inf"))
        return self.readers * (rounds + 1 / self.interval_seconds)

"""Parameters of a simulation of the feed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    """Parameters of a simulation.

    ``readers``: number of verifiers. ``servers``: number of servers; each handles one request or message at a time, in
    order of arrival. ``pushes``: servers send entries; otherwise readers poll.
    ``interval_seconds``: time between two polls, or two heartbeats. ``look_seconds``: interval at which a server reads
    the log. ``service_seconds``: CPU time of one response or message, plus ``entry_seconds`` per entry in it.
    ``travel_seconds``: network round trip. ``apply_seconds``: time in which a reader applies one entry.
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
        """Approximate number of simulation events per simulated second."""
        if not self.pushes:
            return 2 * self.readers / self.interval_seconds + self.revocations_per_second
        rounds = min(self.revocations_per_second, 1 / self.look_seconds if self.look_seconds else float("inf"))
        return self.readers * (rounds + 1 / self.interval_seconds)

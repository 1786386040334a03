"""Parameters of a simulation of the feed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    """Parameters of a simulation.

    ``readers``: number of verifiers. ``servers``: number of servers; each handles one request or message at a time, in
    order of arrival. ``is_push``: servers send entries; otherwise readers poll.
    ``interval_seconds``: time between two polls, or two heartbeats. ``log_poll_seconds``: interval between two reads of
    the log by a server. ``service_seconds``: CPU time of one response or message, plus ``entry_seconds`` per entry in
    it. ``travel_seconds``: network round trip. ``apply_seconds``: time in which a reader applies one entry.
    """

    readers: int
    servers: int
    revocations_per_second: float
    is_push: bool
    interval_seconds: float
    log_poll_seconds: float = 0.0
    service_seconds: float = 0.0
    entry_seconds: float = 0.0
    travel_seconds: float = 0.0
    apply_seconds: float = 0.0
    bound_seconds: float = 5.0

    @property
    def events_per_second(self) -> float:
        """Approximate number of simulation events per simulated second."""
        if not self.is_push:
            return 2 * self.readers / self.interval_seconds + self.revocations_per_second
        rounds = min(self.revocations_per_second, 1 / self.log_poll_seconds if self.log_poll_seconds else float("inf"))
        return self.readers * (rounds + 1 / self.interval_seconds)

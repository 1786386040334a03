"""Discrete-event simulation of verifiers, issuers and revocations, with a simulated clock and a given random source.

It computes what closed formulas predict poorly, because of queues and coincidences: the time from a revocation to each
verifier, and the age of a verifier's denylist. Sessions are not simulated: they appear only as rates.
"""

from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from keyturn_lab.capacity.scene import Scene

if TYPE_CHECKING:
    from random import Random

EVENTS = 1_500_000
"""Number of events that sets the default simulated time; about ten seconds on one core."""
MAX_SECONDS = 60.0
SAMPLES = 400_000
_TICKS = 100

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a simulation.

    ``delays``: sorted seconds from a commit to its arrival at a verifier. ``longest_age_seconds``: greatest age of any
    verifier's denylist. ``unknown_share``: share of the time in which a denylist was older than the staleness bound.
    ``busy_share``: share of the time in which the servers were busy.
    """

    seconds: float
    events: int
    revocations: int
    answers_per_second: float
    busy_share: float
    longest_age_seconds: float
    unknown_share: float
    delays: "array[float]"

    def quantile(self, share: float) -> float:
        """Return the seconds within which ``share`` of all entries had arrived; 0 without entries."""
        return self.delays[min(len(self.delays) - 1, int(share * len(self.delays)))] if self.delays else 0.0


def simulate(
    scene: Scene, random: "Random", seconds: float | None = None, progress: Progress = lambda share: None
) -> Outcome:
    """Simulate ``scene`` for ``seconds`` of simulated time. The same seed gives the same result.

    By default, the time is that of about ``EVENTS`` events, at most ``MAX_SECONDS``.
    """
    if seconds is None:
        seconds = min(MAX_SECONDS, max(2 * scene.interval_seconds, EVENTS / scene.events_per_second))
    run = (_StreamingRun if scene.is_push else _PollingRun)(scene, random, seconds)
    return run.outcome(progress)


def restart(readers: int, servers: int, seconds_each: float, random: "Random", jitter_seconds: float = 0.0) -> float:
    """Return the seconds until the last reader is served if all arrive at once, or within ``jitter_seconds``."""
    free_at = [0.0] * servers
    for number, arrived_at in enumerate(sorted(random.random() * jitter_seconds for _ in range(readers))):
        server = number % servers
        free_at[server] = max(free_at[server], arrived_at) + seconds_each
    return max(free_at)


class _Run(ABC):
    """Base of both simulations.

    Events are tuples (time, number, callback, argument); the number orders events of the same time.
    """

    def __init__(self, scene: Scene, random: "Random", seconds: float) -> None:
        self.scene, self.random, self.seconds = scene, random, seconds
        self.now, self.events, self.answers, self.busy_seconds = 0.0, 0, 0, 0.0
        self.event_queue: list[tuple[float, int, Callable[[int], None], int]] = []
        self.commits = array("d")
        self.received = array("q", bytes(8 * scene.readers))
        self.complete_as_of = array("d", bytes(8 * scene.readers))
        self.delays = array("d")
        self.longest_age, self.stale_seconds = 0.0, 0.0
        expected = scene.readers * scene.revocations_per_second * seconds
        self.stride = max(1, round(expected / SAMPLES))
        """One reader in ``stride`` is sampled; all of them are simulated."""

    @abstractmethod
    def open(self) -> None:
        """Schedule the first events."""

    def on_commit(self) -> None:  # noqa: B027 - readers that poll are not notified
        """Notify the servers of a commit."""

    def outcome(self, progress: Progress) -> Outcome:
        if self.scene.revocations_per_second:
            self.schedule(self._gap(), self._commit)
        self.open()
        self.schedule(self.seconds / _TICKS, lambda _: self._tick(progress))
        self._drain()
        share = self.busy_seconds / (self.seconds * self.scene.servers)
        stale_share = self.stale_seconds / (self.seconds * self.scene.readers)
        answers = self.answers / self.seconds
        delays = array("d", sorted(self.delays))
        return Outcome(
            self.seconds, self.events, len(self.commits), answers, share, self.longest_age, stale_share, delays
        )

    def schedule(self, seconds: float, callback: Callable[[int], None], argument: int = 0) -> None:
        self.events += 1
        heappush(self.event_queue, (self.now + seconds, self.events, callback, argument))

    def deliver(self, reader: int, known: int, as_of: float) -> None:
        """Record that ``reader`` has the first ``known`` entries, complete as of ``as_of``."""
        age = self.now - self.complete_as_of[reader]
        self.longest_age = max(self.longest_age, age)
        self.stale_seconds += max(0.0, age - self.scene.bound_seconds)
        self.complete_as_of[reader] = max(self.complete_as_of[reader], as_of)
        first = self.received[reader]
        if reader % self.stride == 0:
            for index in range(first, known):
                applied = (index - first + 1) * self.scene.apply_seconds
                self.delays.append(self.now + applied - self.commits[index])
        self.received[reader] = max(first, known)

    def _drain(self) -> None:
        while self.event_queue:
            self.now, _, callback, argument = heappop(self.event_queue)
            if self.now > self.seconds:
                return
            callback(argument)

    def _commit(self, _: int) -> None:
        self.commits.append(self.now)
        self.on_commit()
        self.schedule(self._gap(), self._commit)

    def _gap(self) -> float:
        return self.random.expovariate(self.scene.revocations_per_second)

    def _tick(self, progress: Progress) -> None:
        progress(self.now / self.seconds)
        self.schedule(self.seconds / _TICKS, lambda _: self._tick(progress))


class _PollingRun(_Run):
    """Simulation of polling: a reader repeats the poll after a page with entries, else waits for an interval."""

    def open(self) -> None:
        self.polled_at = array("d", bytes(8 * self.scene.readers))
        self.queues: list[deque[int]] = [deque() for _ in range(self.scene.servers)]
        self.is_busy = [False] * self.scene.servers
        for reader in range(self.scene.readers):
            self.schedule(self.random.random() * self.scene.interval_seconds, self._poll, reader)

    def _poll(self, reader: int) -> None:
        self.polled_at[reader] = self.now
        self.schedule(self.scene.travel_seconds / 2, self._arrive, reader)

    def _arrive(self, reader: int) -> None:
        server = self.random.randrange(self.scene.servers) if self.scene.servers > 1 else 0
        self.queues[server].append(reader)
        if not self.is_busy[server]:
            self._serve_next(server)

    def _serve_next(self, server: int) -> None:
        if not self.queues[server]:
            self.is_busy[server] = False
            return
        self.is_busy[server] = True
        reader, known = self.queues[server].popleft(), len(self.commits)
        has_entries = known - self.received[reader]
        service = self.scene.service_seconds + has_entries * self.scene.entry_seconds
        self.answers, self.busy_seconds = self.answers + 1, self.busy_seconds + service
        self.schedule(service, self._serve_next, server)
        self.schedule(service + self.scene.travel_seconds / 2, lambda _: self._receive(reader, known))

    def _receive(self, reader: int, known: int) -> None:
        has_entries = known > self.received[reader]
        self.deliver(reader, known, self.polled_at[reader])
        self.schedule(0.0 if has_entries else self.scene.interval_seconds, self._poll, reader)


class _StreamingRun(_Run):
    """Simulation of streams: each server reads the log at its own interval and sends to its readers in order."""

    def open(self) -> None:
        scene = self.scene
        self.phase = [self.random.random() * scene.log_poll_seconds for _ in range(scene.servers)]
        self.batch_end = [0] * scene.servers
        self.read_at = [0.0] * scene.servers
        self.has_pending = [False] * scene.servers
        self.is_busy = [False] * scene.servers
        for server in range(scene.servers):
            self.schedule(self.random.random() * scene.interval_seconds, self._heartbeat, server)

    def on_commit(self) -> None:
        for server in range(self.scene.servers):
            self._wake(server)

    def _heartbeat(self, server: int) -> None:
        self._wake(server)
        self.schedule(self.scene.interval_seconds, self._heartbeat, server)

    def _wake(self, server: int) -> None:
        if not self.has_pending[server]:
            self.has_pending[server] = True
            if not self.is_busy[server]:
                self.schedule(self._seconds_until_read(server), self._read_log, server)

    def _seconds_until_read(self, server: int) -> float:
        interval = self.scene.log_poll_seconds
        return (self.phase[server] - self.now) % interval if interval else 0.0

    def _read_log(self, server: int) -> None:
        if server >= self.scene.readers:
            return
        self.has_pending[server], self.is_busy[server] = False, True
        self.batch_end[server], self.read_at[server] = len(self.commits), self.now
        self.schedule(self.scene.service_seconds, self._write, server)

    def _write(self, reader: int) -> None:
        """Send one message, then continue with the next reader of the server (reader number modulo servers)."""
        server = reader % self.scene.servers
        known, read_at = self.batch_end[server], self.read_at[server]
        self.answers, self.busy_seconds = self.answers + 1, self.busy_seconds + self.scene.service_seconds
        self.schedule(self.scene.travel_seconds / 2, lambda _: self.deliver(reader, known, read_at))
        next_reader = reader + self.scene.servers
        if next_reader < self.scene.readers:
            self.schedule(self.scene.service_seconds, self._write, next_reader)
            return
        self.is_busy[server] = False
        if self.has_pending[server]:
            self.schedule(self._seconds_until_read(server), self._read_log, server)

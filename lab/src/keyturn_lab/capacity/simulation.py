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
LONGEST_SECONDS = 60.0
SAMPLES = 400_000
_TICKS = 100

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a simulation.

    ``seen``: sorted seconds from a commit to its arrival at a verifier. ``longest_age_seconds``: greatest age of any
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
    seen: "array[float]"

    def quantile(self, share: float) -> float:
        """Return the seconds within which ``share`` of all entries had arrived; 0 without entries."""
        return self.seen[min(len(self.seen) - 1, int(share * len(self.seen)))] if self.seen else 0.0


def simulate(
    scene: Scene, random: "Random", seconds: float | None = None, progress: Progress = lambda share: None
) -> Outcome:
    """Simulate ``scene`` for ``seconds`` of simulated time. The same seed gives the same result.

    By default, the time is that of about ``EVENTS`` events, at most ``LONGEST_SECONDS``.
    """
    if seconds is None:
        seconds = min(LONGEST_SECONDS, max(2 * scene.interval_seconds, EVENTS / scene.events_per_second))
    run = (_StreamingRun if scene.pushes else _PollingRun)(scene, random, seconds)
    return run.outcome(progress)


def restart(readers: int, servers: int, seconds_each: float, random: "Random", jitter_seconds: float = 0.0) -> float:
    """Return the seconds until the last reader is served if all arrive at once, or within ``jitter_seconds``."""
    free_at = [0.0] * servers
    for number, came_at in enumerate(sorted(random.random() * jitter_seconds for _ in range(readers))):
        server = number % servers
        free_at[server] = max(free_at[server], came_at) + seconds_each
    return max(free_at)


class _Run(ABC):
    """Base of both simulations.

    Events are tuples (time, number, callback, argument); the number orders events of the same time.
    """

    def __init__(self, scene: Scene, random: "Random", seconds: float) -> None:
        self.scene, self.random, self.seconds = scene, random, seconds
        self.now, self.events, self.answers, self.busy = 0.0, 0, 0, 0.0
        self.agenda: list[tuple[float, int, Callable[[int], None], int]] = []
        self.commits = array("d")
        self.reached = array("q", bytes(8 * scene.readers))
        self.confirmed = array("d", bytes(8 * scene.readers))
        self.seen = array("d")
        self.longest_age, self.unknown = 0.0, 0.0
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
            self.after(self._gap(), self._commit)
        self.open()
        self.after(self.seconds / _TICKS, lambda _: self._tick(progress))
        self._drain()
        share = self.busy / (self.seconds * self.scene.servers)
        unknown = self.unknown / (self.seconds * self.scene.readers)
        answers = self.answers / self.seconds
        seen = array("d", sorted(self.seen))
        return Outcome(self.seconds, self.events, len(self.commits), answers, share, self.longest_age, unknown, seen)

    def after(self, seconds: float, what: Callable[[int], None], argument: int = 0) -> None:
        self.events += 1
        heappush(self.agenda, (self.now + seconds, self.events, what, argument))

    def deliver(self, reader: int, known: int, asked_at: float) -> None:
        """Record that ``reader`` has the first ``known`` entries, complete as of ``asked_at``."""
        age = self.now - self.confirmed[reader]
        self.longest_age = max(self.longest_age, age)
        self.unknown += max(0.0, age - self.scene.bound_seconds)
        self.confirmed[reader] = max(self.confirmed[reader], asked_at)
        first = self.reached[reader]
        if reader % self.stride == 0:
            for place in range(first, known):
                applied = (place - first + 1) * self.scene.apply_seconds
                self.seen.append(self.now + applied - self.commits[place])
        self.reached[reader] = max(first, known)

    def _drain(self) -> None:
        while self.agenda:
            self.now, _, what, argument = heappop(self.agenda)
            if self.now > self.seconds:
                return
            what(argument)

    def _commit(self, _: int) -> None:
        self.commits.append(self.now)
        self.on_commit()
        self.after(self._gap(), self._commit)

    def _gap(self) -> float:
        return self.random.expovariate(self.scene.revocations_per_second)

    def _tick(self, progress: Progress) -> None:
        progress(self.now / self.seconds)
        self.after(self.seconds / _TICKS, lambda _: self._tick(progress))


class _PollingRun(_Run):
    """Simulation of polling: a reader repeats the poll after a page with entries, else waits for an interval."""

    def open(self) -> None:
        self.asked_at = array("d", bytes(8 * self.scene.readers))
        self.queues: list[deque[int]] = [deque() for _ in range(self.scene.servers)]
        self.working = [False] * self.scene.servers
        for reader in range(self.scene.readers):
            self.after(self.random.random() * self.scene.interval_seconds, self._ask, reader)

    def _ask(self, reader: int) -> None:
        self.asked_at[reader] = self.now
        self.after(self.scene.travel_seconds / 2, self._arrive, reader)

    def _arrive(self, reader: int) -> None:
        server = self.random.randrange(self.scene.servers) if self.scene.servers > 1 else 0
        self.queues[server].append(reader)
        if not self.working[server]:
            self._begin(server)

    def _begin(self, server: int) -> None:
        if not self.queues[server]:
            self.working[server] = False
            return
        self.working[server] = True
        reader, known = self.queues[server].popleft(), len(self.commits)
        news = known - self.reached[reader]
        service = self.scene.service_seconds + news * self.scene.entry_seconds
        self.answers, self.busy = self.answers + 1, self.busy + service
        self.after(service, self._begin, server)
        self.after(service + self.scene.travel_seconds / 2, lambda _: self._read(reader, known))

    def _read(self, reader: int, known: int) -> None:
        news = known > self.reached[reader]
        self.deliver(reader, known, self.asked_at[reader])
        self.after(0.0 if news else self.scene.interval_seconds, self._ask, reader)


class _StreamingRun(_Run):
    """Simulation of streams: each server reads the log at its own interval and sends to its readers in order."""

    def open(self) -> None:
        scene = self.scene
        self.phase = [self.random.random() * scene.look_seconds for _ in range(scene.servers)]
        self.told = [0] * scene.servers
        self.looked_at = [0.0] * scene.servers
        self.due = [False] * scene.servers
        self.working = [False] * scene.servers
        for server in range(scene.servers):
            self.after(self.random.random() * scene.interval_seconds, self._beat, server)

    def on_commit(self) -> None:
        for server in range(self.scene.servers):
            self._wake(server)

    def _beat(self, server: int) -> None:
        self._wake(server)
        self.after(self.scene.interval_seconds, self._beat, server)

    def _wake(self, server: int) -> None:
        if not self.due[server]:
            self.due[server] = True
            if not self.working[server]:
                self.after(self._until_look(server), self._look, server)

    def _until_look(self, server: int) -> float:
        every = self.scene.look_seconds
        return (self.phase[server] - self.now) % every if every else 0.0

    def _look(self, server: int) -> None:
        if server >= self.scene.readers:
            return
        self.due[server], self.working[server] = False, True
        self.told[server], self.looked_at[server] = len(self.commits), self.now
        self.after(self.scene.service_seconds, self._write, server)

    def _write(self, reader: int) -> None:
        """Send one message, then continue with the next reader of the server (reader number modulo servers)."""
        server = reader % self.scene.servers
        known, looked_at = self.told[server], self.looked_at[server]
        self.answers, self.busy = self.answers + 1, self.busy + self.scene.service_seconds
        self.after(self.scene.travel_seconds / 2, lambda _: self.deliver(reader, known, looked_at))
        following = reader + self.scene.servers
        if following < self.scene.readers:
            self.after(self.scene.service_seconds, self._write, following)
            return
        self.working[server] = False
        if self.due[server]:
            self.after(self._until_look(server), self._look, server)

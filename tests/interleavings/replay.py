"""Plays schedules on a real store, beside the memory store: each on records of its own, so that nothing is cleaned."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from interleavings.cover import Move, Schedule
from interleavings.explorer import LOST, Actor
from interleavings.harness import Harness
from interleavings.lockstep import Diverged, Lockstep
from interleavings.scenarios import Scenario
from interleavings.state import SystemState
from keyturn.core.types import Instant

FIRST = 2_000_000_000
"""When the first schedule is played: a real store may have a clock of its own, and delete what expired by it."""
APART_SECONDS = 1000
"""Seconds between two schedules, so that new sessions are younger than a global revocation before them."""


@dataclass
class ReplayStats:
    """What was played on one store. ``asked``: how many operations that took."""

    schedules: int = 0
    asked: int = 0
    seconds: float = 0.0
    covered: dict[str, set[int]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def transitions(self) -> int:
        return sum(map(len, self.covered.values()))


class Replayer:
    """Plays schedules on ``real``, an empty store."""

    def __init__(self, real: Any) -> None:
        self.both = Lockstep(real)
        self.played = ReplayStats()

    def play(self, scenario: Scenario, schedules: Iterable[Schedule]) -> bool:
        """Whether all went as it did in memory. After one that did not, nothing more can be compared."""
        covered = self.played.covered.setdefault(scenario.name, set())
        for schedule in schedules:
            began = time.perf_counter()
            try:
                self._play(scenario, schedule)
            except Diverged as difference:
                self.played.violations.append(f"{scenario.name}: {difference}")
                return False
            finally:
                self.played.seconds += time.perf_counter() - began
                self.played.schedules += 1
                self.played.asked = self.both.asked
            covered |= schedule.covers
        return True

    def _play(self, scenario: Scenario, schedule: Schedule) -> None:
        harness, actors = scenario.setup(self._blank())
        courses = [_Course(harness, each) for each in actors]
        for move in schedule.moves:
            courses[move.actor].take(move)
        said = tuple(each.said for each in courses)
        if said != schedule.said:
            raise Diverged(f"the flows said {said}, and not {schedule.said}")
        self.both.compare()

    def _blank(self) -> Harness:
        number = self.played.schedules + 1
        state = SystemState(self.both)
        return Harness(state=state, now=Instant(FIRST + number * APART_SECONDS), number=number)


class _Course:
    """One flow under way. ``said``: how it ended."""

    def __init__(self, harness: Harness, actor: Actor) -> None:
        self._rig, self._actor = harness, actor
        self._flow = actor.start()
        self._step = next(self._flow)
        self._taken = 0
        self.said: str | None = None

    def take(self, move: Move) -> None:
        answer, failure = self._perform() if move.effect else (None, None)
        self._taken += 1
        if move.lost:
            (self.said,) = LOST
        else:
            self._go_on(answer, move.failure() if move.failure else failure)

    def _perform(self) -> tuple[Any, BaseException | None]:
        ports = self._rig.ports(self._actor.process, self._actor.name, self._taken)
        port = getattr(ports, self._step.port)
        try:
            return getattr(port, self._step.method)(*self._step.arguments), None
        except Diverged:
            raise
        except Exception as raised:  # whatever a port raises is the flow's to deal with
            return None, raised

    def _go_on(self, answer: Any, failure: BaseException | None) -> None:
        try:
            self._step = self._flow.send(answer) if failure is None else self._flow.throw(failure)
        except StopIteration as done:
            self.said = self._actor.outcome(done.value)[0]
        except BaseException as raised:  # what the explorer calls an outcome, too
            self.said = self._actor.outcome(raised)[0]

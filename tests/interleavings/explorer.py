"""Every interleaving of a few flows: each yielded step is one scheduling point, each point a place to fail.

Two schedules that lead to the same world, with every flow having been told the same answers, have the same futures
(a flow is a deterministic function of its answers). Such states are explored once, and the schedules through them
counted; nothing else is left out. Flows are generators and cannot be copied, so one is replayed from its answers.
"""

import time
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interleavings.state import SystemState, freeze
from keyturn.errors import StoreUnavailable
from keyturn.flows.effects import Call, Flow

SHARED = (
    "sessions",
    "accounts",
    "throttles",
    "session_cache",
    "shared_cache",
    "log",
    "clock",
    "sql",
    "one_time",
    "own",
)
STORED = ("sessions", "accounts", "throttles", "sql", "one_time", "own")
LOST = ("lost",)


@dataclass(frozen=True)
class Actor:
    """One flow of a scene. ``op``: what the model calls it. ``outcome``: what an ending says, in the model's words."""

    name: str
    start: Callable[[], Flow[Any]]
    op: tuple[Any, ...]
    outcome: Callable[[object], Any]
    process: str = "a"
    faulty: bool = True


@dataclass(frozen=True)
class AnyOf:
    """What a port may answer: each of these is explored."""

    answers: tuple[Any, ...]


class Blocked(Exception):
    """A step that has to wait for a lock of another actor: it cannot be taken in this state."""


@dataclass
class Report:
    """What an exploration saw."""

    name: str
    schedules: int = 0
    states: int = 0
    steps: int = 0
    endings: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Node:
    """A node of the search.

    ``at``: per actor, the index of its history, or ``~outcome`` once it ended. ``before``: actors that had ended when
    it began. ``seen``: the result of ``witness`` at that time.
    """

    state: int
    at: tuple[int, ...]
    before: tuple[int, ...]
    faults: int
    seen: tuple[Any, ...]


class Interned:
    """Values and the small integers that stand for them."""

    def __init__(self) -> None:
        self.ids: dict[Any, int] = {}
        self.values: list[Any] = []

    def put(self, key: Any, value: Any) -> int:
        found = self.ids.setdefault(key, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


class Explorer:
    """Explores ``actors`` on ``world`` with at most ``faults`` injected failures per schedule.

    ``ports(actor, number)``: the ports of an actor at its ``number``-th step. ``on_change(before, after)``: judges a
    change of the world. ``on_end(world, outcomes, before)``: judges an ending. Both answer complaints.
    ``abandon(world, actor)``: what happens by itself when a failure strikes an actor.
    """

    def __init__(
        self,
        name: str,
        state: SystemState,
        actors: list[Actor],
        faults: int,
        ports: Callable[[Actor, int], Any],
        on_change: Callable[[SystemState, Any, Any], list[str]],
        on_end: Callable[["Explorer", Node], list[str]],
        witness: Callable[[SystemState, Actor], Any] | None = None,
        abandon: Callable[[SystemState, Actor], None] | None = None,
    ) -> None:
        self.report = Report(name)
        self.state, self.actors, self.faults = state, actors, faults
        self.ports, self.on_change, self.on_end, self.witness = ports, on_change, on_end, witness
        self.abandon = abandon
        self.abandoned: dict[tuple[int, int], int] = {}
        self.worlds = Interned()
        self.outcomes = Interned()
        self.lost = self.outcomes.put(LOST, LOST)
        self.histories = [Interned() for _ in actors]
        self.next: list[dict[int, Call | int]] = [{} for _ in actors]
        self.performed: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        self.counts: dict[Node, int] = {}
        self.witnessed: dict[tuple[int, int], Any] = {}

    def run(self) -> Report:
        began = time.perf_counter()
        captured = self.state.capture()
        start = self.worlds.put(freeze(captured), captured)
        at = tuple(self._history(i, None, None) for i in range(len(self.actors)))
        self.report.schedules = self._count(Node(start, at, (0,) * len(at), self.faults, (None,) * len(at)))
        self.report.states = len(self.counts)
        self.report.steps = len(self.performed)
        self.report.seconds = time.perf_counter() - began
        return self.report

    def _count(self, node: Node) -> int:
        """Schedules from ``node`` to an end. Each distinct state is entered once."""
        known = self.counts.get(node)
        if known is not None:
            return known
        total = 0
        for i, place in enumerate(node.at):
            if place >= 0:
                for follower in self._followers(node, i):
                    total += self._count(follower)
        if total == 0:
            self.report.endings += 1
            is_deadlock = any(place >= 0 for place in node.at)
            self.report.violations += ["a deadlock"] if is_deadlock else self.on_end(self, node)
            total = 1
        self.counts[node] = total
        return total

    def _followers(self, node: Node, i: int) -> list[Node]:
        history = node.at[i]
        performed = self._perform(node.state, i, history)
        reached = [self._moved(node, i, *each, 0) for each in performed]
        if not node.faults or not self.actors[i].faulty:
            return reached
        step = self.next[i][history]
        failures: list[type[BaseException]] = [CancelledError]
        if isinstance(step, Call) and step.port in STORED:
            failures.append(StoreUnavailable)
        # The failure struck before the step took effect, or after.
        for state in (node.state, *(each for each, _ in performed[:1])):
            after = self._abandon(state, i)
            reached.append(self._moved(node, i, after, ~self.lost, 1))
            reached += [self._moved(node, i, after, self._fail(i, history, each), 1) for each in failures]
        return reached

    def _moved(self, node: Node, i: int, state: int, place: int, faults: int) -> Node:
        before, seen = node.before, node.seen
        if node.at[i] == 0:
            ended = sum(1 << j for j, each in enumerate(node.at) if each < 0)
            before = (*before[:i], ended, *before[i + 1 :])
            if self.witness:
                seen = (*seen[:i], self._witness(node.state, i), *seen[i + 1 :])
        return Node(state, (*node.at[:i], place, *node.at[i + 1 :]), before, node.faults - faults, seen)

    def _witness(self, state: int, i: int) -> Any:
        assert self.witness is not None
        if (state, i) not in self.witnessed:
            self.state.restore(self.worlds.values[state])
            self.witnessed[state, i] = self.witness(self.state, self.actors[i])
        return self.witnessed[state, i]

    def _abandon(self, state: int, i: int) -> int:
        if self.abandon is None:
            return state
        if (state, i) not in self.abandoned:
            self.state.restore(self.worlds.values[state])
            self.abandon(self.state, self.actors[i])
            self.abandoned[state, i] = self._settle(state)
        return self.abandoned[state, i]

    def _perform(self, state: int, i: int, history: int) -> list[tuple[int, int]]:
        key = (state, i, history)
        if key not in self.performed:
            self.performed[key] = self._ask(state, i, history)
        return self.performed[key]

    def _ask(self, state: int, i: int, history: int) -> list[tuple[int, int]]:
        step = self.next[i][history]
        assert isinstance(step, Call)
        shared = step.port in SHARED
        if shared:
            self.state.restore(self.worlds.values[state])
        ports = self.ports(self.actors[i], len(self.histories[i].values[history]))
        answer, failure = None, None
        try:
            answer = getattr(getattr(ports, step.port), step.method)(*step.arguments)
        except Blocked:
            return []
        except Exception as raised:  # whatever a port raises is the flow's to deal with
            failure = raised
        after = self._settle(state) if shared else state
        answers = answer.answers if isinstance(answer, AnyOf) else (answer,)
        return [(after, self._history(i, history, (each, failure))) for each in answers]

    def _settle(self, before: int) -> int:
        captured = self.state.capture()
        after = self.worlds.put(freeze(captured), captured)
        if after != before:
            self.report.violations += self.on_change(self.state, self.worlds.values[before], captured)
        return after

    def _fail(self, i: int, history: int, failure: type[BaseException]) -> int:
        return self._history(i, history, (None, failure()))

    def _history(self, i: int, parent: int | None, answer: tuple[Any, Any] | None) -> int:
        """Return the position of actor ``i`` after ``answer``: its history, or its outcome."""
        table = self.histories[i]
        key = (parent, freeze(answer))
        answers = () if parent is None else (*table.values[parent], answer)
        number = table.put(key, answers)
        if number not in self.next[i]:
            self.next[i][number] = self._replay(i, answers)
        follows = self.next[i][number]
        return number if isinstance(follows, Call) else follows

    def _replay(self, i: int, answers: tuple[Any, ...]) -> Call | int:
        actor = self.actors[i]
        flow = actor.start()
        ending: object
        try:
            step = next(flow)
            for answer, failure in answers:
                step = flow.send(answer) if failure is None else flow.throw(failure)
        except StopIteration as done:
            ending = done.value
        except (CancelledError, Exception) as raised:
            ending = raised  # the oracle's to judge
        else:
            return step
        outcome = actor.outcome(ending)
        return ~self.outcomes.put(outcome, outcome)

    def outcome(self, place: int) -> Any:
        return self.outcomes.values[~place]

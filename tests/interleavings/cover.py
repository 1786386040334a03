"""Schedules to be played on a store that cannot be restored: few of them, and together every transition of the store.

A transition is a world, and the step that a flow with its history takes in it: what the explorer performs once. A
schedule is the moves from the beginning to an end.
"""

import gc
import random
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from interleavings.explorer import STORED, Actor, Explorer, Node
from interleavings.harness import Harness
from interleavings.scenarios import Scenario
from keyturn.errors import StoreUnavailable
from keyturn.flows.effects import Call

Transition = tuple[int, int, int]
"""World, actor, history of the actor."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of an actor.

    ``effect``: the step is executed. ``failure``: thrown into the flow. ``lost``: the flow is abandoned.
    """

    actor: int
    effect: bool = True
    failure: type[BaseException] | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """``said``: how each flow ended. ``covers``: the numbers of the store's transitions on the way."""

    moves: tuple[Move, ...]
    said: tuple[str, ...]
    covers: frozenset[int]


Edge = tuple[int, Move, int]
"""The number of the transition, or 0 when the store is left alone; the move; the number of the node after."""

SHARE = 0.5
"""A walk is taken for a schedule when it covers this much of what the best one might."""


class StateGraphExplorer(Explorer):
    """An explorer that notes what it walks through: for each node, what a move of each actor leads to."""

    def __init__(self, harness: Harness, actors: list[Actor], faults: int) -> None:
        def ports(actor: Actor, number: int) -> Any:
            return harness.ports(actor.process, actor.name, number)

        self.reached: dict[Node, list[tuple[int, list[Node]]]] = {}
        super().__init__("", harness.state, actors, faults, ports, lambda *_: [], lambda *_: [])

    def _followers(self, node: Node, i: int) -> list[Node]:
        followers = super()._followers(node, i)
        self.reached.setdefault(node, []).append((i, followers))
        return followers

    def stored(self, node: Node, i: int) -> bool:
        """Whether the next step of actor ``i`` is one of the store's."""
        step = self.next[i][node.at[i]]
        return isinstance(step, Call) and step.port in STORED


class StateGraph:
    """All schedules of a scene. ``edges``: those of each node. ``counts``: schedules from each node on.

    Nodes and transitions go by number. A node comes after all that follow from it; the first of all is the last.
    """

    def __init__(self, scenario: Scenario, blank: Harness | None = None) -> None:
        self.explorer = explorer = StateGraphExplorer(*scenario.setup(blank or Harness()), scenario.faults)
        with without_garbage_collection():
            explorer.run()
            self.nodes = list(explorer.counts)
            self.counts = list(explorer.counts.values())
            self._numbers: dict[Transition, int] = {}
            self._places = {node: place for place, node in enumerate(self.nodes)}
            self.edges = [list(self._leaving(node)) for node in self.nodes]
        self.transitions = len(self._numbers)

    def schedule(self, path: list[Edge]) -> Schedule:
        """``path``, from the first node to an end, as a schedule."""
        end = self.nodes[path[-1][-1]]
        said = tuple(self.explorer.outcome(place)[0] for place in end.at)
        return Schedule(tuple(move for _, move, _ in path), said, frozenset(each for each, *_ in path) - {0})

    def drawn(self, count: int, seed: int) -> Iterator[Schedule]:
        """Schedules drawn at random from all there are, each as likely as any other."""
        draw = random.Random(seed)  # which schedules, and the same ones each time
        for _ in range(count):
            path = list[Edge]()
            while edges := self.edges[path[-1][-1] if path else -1]:
                path += draw.choices(edges, [self.counts[after] for *_, after in edges])
            yield self.schedule(path)

    def _leaving(self, node: Node) -> Iterator[Edge]:
        for i, followers in self.explorer.reached.get(node, ()):
            stored = self.explorer.stored(node, i)
            moves, number = moves_of(i, stored), 0
            assert len(followers) in (1, len(moves))
            if stored:
                number = self._numbers.setdefault((node.state, i, node.at[i]), len(self._numbers) + 1)
            for move, after in zip(moves, followers, strict=False):
                yield (number if move.effect else 0, move, self._places[after])


class Cover:
    """Schedules of a chart that together cover every transition of the store.

    To find the fewest is hard; bounds that are corrected by each walk come near (real-time dynamic programming).
    """

    def __init__(self, chart: StateGraph) -> None:
        self._chart, self._edges = chart, chart.edges
        self._new = [False] + [True] * chart.transitions
        # At most so many transitions that are not covered yet lie on one way from here to an end.
        self._bounds: list[int] = []
        for place in range(len(self._edges)):
            self._bounds.append(self._bound(place))

    def __iter__(self) -> Iterator[Schedule]:
        while bound := self._bounds[-1]:
            path = self._walk()
            new = [each for each, *_ in path if self._new[each]]
            if len(new) >= SHARE * bound:
                for each in new:
                    self._new[each] = False
                yield self._chart.schedule(path)

    def _walk(self) -> list[Edge]:
        """Return the path with the highest bound, and correct bounds that were too high on the way back."""
        path, left = list[Edge](), [len(self._edges) - 1]
        while edges := self._edges[left[-1]]:
            path.append(max(edges, key=self._promise))
            left.append(path[-1][-1])
        for place in reversed(left):
            self._bounds[place] = self._bound(place)
        return path

    def _bound(self, place: int) -> int:
        return max(map(self._promise, self._edges[place]), default=0)

    def _promise(self, edge: Edge) -> int:
        transition, _, after = edge
        return self._bounds[after] + self._new[transition]


@cache
def moves_of(actor: int, stored: bool) -> tuple[Move, ...]:
    """Return the moves of an actor in the explorer's order. Only stores can be unavailable."""
    failures = [None, CancelledError, *([StoreUnavailable] if stored else [])]
    failing = [Move(actor, effect, each, lost=each is None) for effect in (False, True) for each in failures]
    return (Move(actor), *failing)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection: scanning a graph of a million edges would take half of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

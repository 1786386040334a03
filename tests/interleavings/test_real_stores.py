"""The search on real stores: schedules that together cover every transition of the store, and schedules drawn evenly.

Each is played on the real store and on the memory store in lockstep. Whatever the search knows of a schedule in memory,
that no order of flows is violated, holds for the real store when all it answers and all it keeps is the same.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from interleavings.mutants import MUTANTS, Mutant
from interleavings.plans import BRIEF, DRAWN, LARGE, SCENES, WHOLE, groups, planned
from interleavings.replay import Replayer, ReplayStats
from interleavings.scenarios import Scenario

GROUPS = groups()
KINDS = ["sqlite", "postgresql", "redis", "redis cluster"]

Reported = Callable[[str, ReplayStats], None]


@pytest.fixture
def reported(record_property: Callable[[str, object], None]) -> Reported:
    def record_count(name: str, played: ReplayStats) -> None:
        figures = f"{played.schedules:>7,} schedules {played.asked:>9,} operations {played.seconds:>7.2f} s"
        record_property("figure", f"{name:<79} {figures} {len(played.violations):>3} violations")
        record_property("schedules", played.schedules)
        record_property("violations", len(played.violations))

    return record_count


def play_every_transition(store: Any, scenarios: list[Scenario]) -> tuple[ReplayStats, int]:
    """Answers what was played, and how many transitions there are."""
    player = Replayer(store)
    for scenario in scenarios:
        player.play(scenario, planned(scenario.name, scenario.faults).covering)
        assert player.played.violations == []
    return player.played, sum(planned(scenario.name, scenario.faults).transitions for scenario in scenarios)


def kinds_and_groups() -> Iterator[object]:
    """Yield the parameters.

    Long are: on a cluster, whose scripts are those of one Redis, the two largest groups; on a server, the changes of a
    password, which ``test_split_stores`` explores over two stores.
    """
    test = "test_every_transition_of_a_real_store_is_that_of_the_memory_store"
    for kind, group in product(KINDS, GROUPS):
        large = (kind == "redis cluster" and group == "login") or (kind != "sqlite" and group == "change")
        other = "redis" if group == "login" else "sqlite"
        stands_in = f"tests/interleavings/test_real_stores.py::{test}[{other}-{group}]"
        marks = (pytest.mark.long(stands_in=stands_in),) if large else ()
        yield pytest.param(kind, group, marks=marks, id=f"{kind}-{group}")


@pytest.mark.parametrize(("kind", "group"), list(kinds_and_groups()))
def test_every_transition_of_a_real_store_is_that_of_the_memory_store(
    store: Any, kind: str, group: str, reported: Reported
) -> None:
    played, total = play_every_transition(store, GROUPS[group])
    reported(f"{kind}: {played.transitions:,} of {total:,} transitions, {group} first", played)
    assert played.transitions == total


@pytest.mark.long(
    stands_in="tests/interleavings/test_real_stores.py::"
    "test_every_transition_of_a_real_store_is_that_of_the_memory_store[sqlite-login]"
)
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("kind", KINDS)
def test_every_transition_beside_failures_is_that_of_the_memory_store(
    store: Any, kind: str, name: str, reported: Reported
) -> None:
    played, total = play_every_transition(store, [WHOLE[name]])
    reported(f"{kind}: {played.transitions:,} of {total:,} transitions of {name}, failures included", played)
    assert played.transitions == total


@pytest.mark.parametrize("kind", [*KINDS, "postgresql+asyncpg"])
def test_schedules_drawn_at_random_end_on_a_real_store_as_in_memory(store: Any, kind: str, reported: Reported) -> None:
    player = Replayer(store)
    for scenario in BRIEF.values():
        player.play(scenario, planned(scenario.name, scenario.faults).drawn)
        assert player.played.violations == []
    reported(f"{kind}: {DRAWN} schedules of each of {len(SCENES)} scenes, drawn evenly", player.played)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.make_faulty.__name__)
@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_a_real_store_that_is_broken_is_caught(store: Any, mutant: Mutant) -> None:
    player, scenario = Replayer(mutant.of(store)), BRIEF[mutant.scenario]
    assert not player.play(scenario, planned(scenario.name, scenario.faults).covering)
    assert f": {mutant.detected_by}" in player.played.violations[0]

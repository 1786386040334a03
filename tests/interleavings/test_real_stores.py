"""The search on real stores: schedules that together cover every transition of the store, and schedules drawn evenly.

Each is played on the real store and on the memory store in lockstep. Whatever the search knows of a schedule in memory,
that no order of flows is violated, holds for the real store when all it answers and all it keeps is the same.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engines import Postgres
from engines.fixtures import apart_of
from interleavings.cover import Chart, Cover, Schedule
from interleavings.mutants import MUTANTS, Mutant
from interleavings.player import Played, Player
from interleavings.scenes import PAIRS, TRIPLES, Scene
from keyturn.stores.opening import open_async_store, open_store
from keyturn.testing.blocking import Blocking

SCENES = [*PAIRS, *TRIPLES]
BY_NAME = {each.name: each for each in SCENES}
DRAWN = 5
"""Schedules drawn of each scene."""

Reported = Callable[[str, Played], None]


@pytest.fixture(scope="module")
def unsynced() -> Iterator[Postgres]:
    """A server that does not wait for its disk: nothing here loses power."""
    server = Postgres(fsync="off")
    server.start()
    yield server
    server.remove()


@pytest.fixture
def store(kind: str, unsynced: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A store of this kind, empty."""
    if kind == "sqlite" or "redis" in kind:
        opened: Any = open_store(f"sqlite:///{tmp_path}/keyturn.db", apart=apart_of(kind, request))
    elif kind == "postgresql+asyncpg":
        opened = Blocking(open_async_store(unsynced.database().replace("postgresql", kind, 1)))
    else:
        opened = open_store(unsynced.database())
    yield opened
    opened.close()


@pytest.fixture
def reported(record_property: Callable[[str, object], None]) -> Reported:
    def note(name: str, played: Played) -> None:
        figures = f"{played.schedules:>7,} schedules {played.asked:>9,} operations {played.seconds:>7.2f} s"
        record_property("figure", f"{name:<79} {figures} {len(played.violations):>3} violations")
        record_property("schedules", played.schedules)
        record_property("violations", len(played.violations))

    return note


@cache
def planned(scene: Scene) -> tuple[int, tuple[Schedule, ...], tuple[Schedule, ...]]:
    """How many transitions there are, schedules that cover them, and schedules drawn."""
    chart = Chart(scene)
    return chart.transitions, tuple(Cover(chart)), tuple(chart.drawn(DRAWN, seed=SCENES.index(scene)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "redis", "redis cluster"])
def test_every_transition_of_a_real_store_is_that_of_the_memory_store(
    store: Any, kind: str, reported: Reported
) -> None:
    player = Player(store)
    for scene in SCENES:
        _, schedules, _ = planned(scene)
        player.play(scene, schedules)
        assert player.played.violations == []
    total = sum(planned(scene)[0] for scene in SCENES)
    reported(f"{kind}: {player.played.transitions:,} of {total:,} transitions of {len(SCENES)} scenes", player.played)
    assert player.played.transitions == total


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "postgresql+asyncpg", "redis", "redis cluster"])
def test_schedules_drawn_at_random_end_on_a_real_store_as_in_memory(store: Any, kind: str, reported: Reported) -> None:
    player = Player(store)
    for scene in SCENES:
        player.play(scene, planned(scene)[2])
        assert player.played.violations == []
    reported(f"{kind}: {DRAWN} schedules of each of {len(SCENES)} scenes, drawn evenly", player.played)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.wrongly.__name__)
@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_a_real_store_that_is_broken_is_caught(store: Any, mutant: Mutant) -> None:
    player = Player(mutant.of(store))
    assert not player.play(BY_NAME[mutant.scene], planned(BY_NAME[mutant.scene])[1])
    assert f": {mutant.given_away_by}" in player.played.violations[0]

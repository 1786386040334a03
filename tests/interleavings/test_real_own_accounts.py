"""Accounts of an application on real stores, beside a table of the application in a real database."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interleavings.own_accounts import LARGE, SCENES
from interleavings.real_own_accounts import OwnReplayer, SqlTable

BY_NAME = {each.name: each for each in SCENES}
BRIEF = ("change / refresh elsewhere", "write / refresh", "save / refresh", "delete / verify", "upgrade / refresh")
DRAWN = 20
"""Schedules drawn at random of each large scene."""

KINDS = ("sqlite", "postgresql", "redis")
TEST = "tests/interleavings/test_real_own_accounts.py::test_every_transition_over_a_real_table_is_that_of_a_dictionary"


@pytest.fixture
def player(store: Any, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OwnReplayer]:
    """Open an empty store of this kind, and a database of the application."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if kind == "postgresql":
        url = request.getfixturevalue("unsynced").replace("postgresql:", "postgresql+psycopg:", 1)
    player = OwnReplayer(store, url)
    yield player
    player.engine.dispose()


def kinds_and_scenes() -> Iterator[object]:
    for kind in KINDS:
        for name in (each for each in BY_NAME if each not in LARGE):
            stands_in = f"{TEST}[{kind}-write / refresh]"
            marks = () if name in BRIEF else (pytest.mark.long(stands_in=stands_in),)
            yield pytest.param(kind, name, marks=marks, id=f"{kind}-{name}")


@pytest.mark.parametrize(("kind", "name"), list(kinds_and_scenes()))
def test_every_transition_over_a_real_table_is_that_of_a_dictionary(
    player: OwnReplayer, kind: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    played = player.play_all(replace(BY_NAME[name], faults=0))
    record_property("figure", f"{kind}: {name}, accounts of the application {played.schedules:>30,} schedules")
    assert played.violations == []


@pytest.mark.long(stands_in=f"{TEST}[sqlite-change / refresh elsewhere]")
@pytest.mark.parametrize("name", LARGE[:-1])
@pytest.mark.parametrize("kind", KINDS)
def test_schedules_drawn_at_random_end_over_a_real_table_as_in_memory(
    player: OwnReplayer, kind: str, name: str
) -> None:
    played = player.play_some(replace(BY_NAME[name], faults=0), DRAWN)
    assert (played.schedules, played.violations) == (DRAWN, [])


@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_real_table_that_ignores_the_old_hash_is_caught(
    player: OwnReplayer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_password(self: SqlTable, subject: str, new: str, expected: str) -> bool:
        self.write_password(subject, new)
        return True

    monkeypatch.setattr(SqlTable, "set_password", set_password)
    assert "own.set_password" in player.play_all(replace(BY_NAME["change / write"], faults=0)).violations[0]

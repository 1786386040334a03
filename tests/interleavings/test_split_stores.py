"""Accounts in SQL, sessions in Redis: every schedule of changes and logins, with failures at every step."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from effort import effort
from interleavings.explorer import Report
from interleavings.scenarios import PAIRS, TRIPLES, Scenario
from interleavings.split_stores import DATABASES, explore
from keyturn.stores.redis.accounts import AccountsWithRedisSessions
from keyturn.stores.sql.accounts import Accounts

SCENES = {each.name: each for each in (*PAIRS, *TRIPLES) if {"change", "disable"} & set(each.name.split())}
"""Scenes with a write of both stores."""

LARGE = ("change / change of the same session", "change / step-up")
"""Pairs whose second failure takes more than all others together."""


def played(name: str) -> Scenario:
    """Return the scene with as many failures as this tier has time for."""
    scenario = SCENES[name]
    return replace(scenario, faults=min(scenario.faults, effort(0 if name in LARGE else 1, 2)))


@pytest.mark.parametrize("name", [each for each in SCENES if each.count("/") == 1])
@pytest.mark.parametrize("database", DATABASES)
def test_every_schedule_over_two_stores_is_explained_by_some_order(
    database: str, name: str, reported: Callable[[Report], None]
) -> None:
    report = explore(played(name), database)
    reported(report)
    assert report.violations == []
    assert report.schedules > 1000


TEST = "tests/interleavings/test_split_stores.py::test_every_schedule_over_two_stores_is_explained_by_some_order"


@pytest.mark.long(stands_in=f"{TEST}[postgresql-change / login with the old password]")
@pytest.mark.parametrize("name", [each for each in SCENES if each.count("/") == 2])
@pytest.mark.parametrize("database", DATABASES)
def test_every_schedule_of_three_flows_over_two_stores_is_explained_by_some_order(
    database: str, name: str, reported: Callable[[Report], None]
) -> None:
    report = explore(SCENES[name], database)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("find", "change / login with the old password"),
        ("find", "login that rehashes / change"),
        ("find", "login / disable"),
        ("load", "change / step-up"),
    ],
)
@pytest.mark.parametrize("database", DATABASES)
def test_a_read_that_does_not_wait_for_a_change_is_caught(
    database: str, method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountsWithRedisSessions, method, getattr(Accounts, method))
    assert explore(replace(SCENES[name], faults=0), database).violations

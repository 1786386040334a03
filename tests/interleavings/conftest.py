"""New stores of every kind; and a note of how many schedules were explored, and how many broke a rule."""

from collections.abc import Callable
from pathlib import Path

import pytest

from interleavings.explorer import Report
from keyturn.stores.open import RedisSessions
from services.fixtures import Fresh, sessions_in_redis


@pytest.fixture
def reported(record_property: Callable[[str, object], None]) -> Callable[[Report], None]:
    """Record the figures of an exploration for the summary and the machine-readable report."""

    def record_count(report: Report) -> None:
        figures = f"{report.schedules:>34,} schedules {report.states:>9,} states {report.seconds:>7.2f} s"
        record_property("figure", f"{report.name:<52} {figures} {len(report.violations):>3} violations")
        record_property("schedules", report.schedules)
        record_property("violations", len(report.violations))

    return record_count


@pytest.fixture
def redis_sessions(kind: str, request: pytest.FixtureRequest) -> RedisSessions | None:
    """Where its sessions are, if elsewhere."""
    return sessions_in_redis(kind, request)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """Where a new store of this kind is; its accounts, where sessions are elsewhere."""
    if kind.startswith("postgresql"):
        fresh: Fresh = request.getfixturevalue("fresh")
        return fresh(kind)
    folder: Path = request.getfixturevalue("tmp_path")
    return "memory:" if kind == "memory" else f"sqlite:///{folder}/keyturn.db"

"""New stores of every kind; and a note of how many schedules were explored, and how many broke a rule."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interleavings.explorer import Report
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.testing.blocking import Blocking
from services import Postgres
from services.fixtures import Fresh, sessions_in_redis
from services.shared import shared


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


@pytest.fixture
def unsynced() -> Iterator[str]:
    """Yield a database of a server without fsync: these tests do not simulate power loss."""
    server: Postgres = shared("unsynced postgres")
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture
def store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open an empty store of this kind."""
    if kind == "sqlite" or "redis" in kind:
        opened: Any = open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=sessions_in_redis(kind, request))
    elif kind == "postgresql+asyncpg":
        opened = Blocking(open_async_store(request.getfixturevalue("unsynced").replace("postgresql", kind, 1)))
    else:
        opened = open_store(request.getfixturevalue("unsynced"))
    yield opened
    opened.close()

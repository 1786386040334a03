"""A SQLite store in a file of its own, and a follower of its log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn.stores.log_follower import LogFollower, connect_feed
from keyturn.stores.sql.store import SqlStore
from stores.recording_sink import NOW, RecordingSink


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyturn.db"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/keyturn.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture
def follower(store: SqlStore, sink: RecordingSink) -> Iterator[LogFollower]:
    follower = connect_feed(store, sink, now=lambda: NOW)
    assert isinstance(follower, LogFollower)
    yield follower
    follower.close()

"""A store that was put back to an earlier state under a running process: what followed it starts over."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage
from keyturn.core.session import RevocationFloor
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant
from keyturn.errors import StoreUnavailable
from keyturn.stores.log_follower import LogFollower, connect_feed
from keyturn.stores.memory import MemoryStore
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.stores.sql.sqlite import DataVersion
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.contract.records import LATER, NOW, new_session


class RecordingSessionCache(LocalSessionCache):
    """A session cache that records its snapshots."""

    def __init__(self) -> None:
        super().__init__(5.0, lambda: 100.0)
        self.resets: list[RevocationPage] = []
        self.confirmed: list[float] = []

    def reset(self, page: RevocationPage) -> None:
        self.resets.append(page)
        super().reset(page)

    def mark_complete(self, asked_at: float) -> None:
        self.confirmed.append(asked_at)
        super().mark_complete(asked_at)


def mark(store: Any, client_id: str) -> Revocation:
    entry: Revocation = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, LATER))
    return entry


def cache_a_session(store: Any, session_cache: RecordingSessionCache) -> None:
    """One that only the state to be lost knows of."""
    session = new_session()
    store.sessions.insert(session)
    found = store.sessions.load(session.sid)
    assert found is not None
    session_cache.put(found)
    assert session_cache.get(session.sid) == found


@pytest.fixture
def session_cache() -> RecordingSessionCache:
    return RecordingSessionCache()


def test_an_older_memory_log_is_read_from_its_start(session_cache: RecordingSessionCache) -> None:
    store = MemoryStore()
    first = mark(store, "first")
    follower = LogFollower(store.log, session_cache, now=lambda: NOW)
    mark(store, "lost")
    assert follower.poll_once(100.0) == 2
    cache_a_session(store, session_cache)
    memory = store.log._memory
    memory.entries[:], memory.sequence = [first], first.sequence
    assert follower.poll_once(100.0) == 1
    assert session_cache.resets[1:] == [RevocationPage((first,), 1)]
    assert (len(session_cache), session_cache.sequence, session_cache.revocation_count) == (0, 1, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyturn.db"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture
def follower(store: SqlStore, session_cache: RecordingSessionCache) -> Iterator[LogFollower]:
    follower = connect_feed(store, session_cache, now=lambda: NOW)
    assert isinstance(follower, LogFollower)
    yield follower
    follower.close()


def copy(source: Path, target: Path) -> None:
    """With SQLite's own backup, which takes locks as any writer does."""
    reading, writing = sqlite3.connect(source), sqlite3.connect(target)
    reading.backup(writing)
    reading.close()
    writing.close()


def restore_file(source: Path, target: Path) -> None:
    """As an operator does with ``mv``, the log of the old file deleted first (sqlite.org/howtocorrupt.html, 1.4)."""
    remove_file(target)
    os.rename(source, target)


def remove_file(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


@pytest.mark.parametrize("restore", [copy, restore_file])
def test_a_restored_database_is_read_from_its_start(
    store: SqlStore,
    follower: LogFollower,
    session_cache: RecordingSessionCache,
    path: Path,
    backup: Path,
    restore: Callable[[Path, Path], None],
) -> None:
    first = mark(store, "first")
    copy(path, backup)
    mark(store, "lost")
    mark(store, "lost too")
    assert follower.poll_once(100.0) == 3
    cache_a_session(store, session_cache)
    restore(backup, path)
    assert follower.poll_once(100.0) == 1
    assert session_cache.resets[1:] == [RevocationPage((first,), 1)]
    # What the older log has forgotten is remembered here: it must not come back to life.
    assert (len(session_cache), session_cache.sequence, session_cache.revocation_count) == (0, 1, 3)
    # Writes from now on go to the current file.
    second = mark(store, "second")
    assert follower.poll_once(100.0) == 1
    assert session_cache.sequence == second.sequence == 2
    reopened = SqlStore(f"sqlite:///{path}")
    assert reopened.log.snapshot().entries == (first, second)
    reopened.close()


@pytest.mark.parametrize("new_entries", [2, 3])
def test_a_restored_database_that_has_grown_again_is_read_from_its_start(
    store: SqlStore,
    follower: LogFollower,
    session_cache: RecordingSessionCache,
    path: Path,
    backup: Path,
    new_entries: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mark(store, "first")
    copy(path, backup)
    mark(store, "lost")
    mark(store, "lost too")
    follower.poll_once(100.0)
    copy(backup, path)
    for each in range(new_entries):
        mark(store, f"new{each}")
    assert follower.poll_once(101.0) == 1 + new_entries
    assert session_cache.revocation_count == 3 + new_entries
    assert "put back from a backup" in caplog.text


def test_an_unchanged_file_is_opened_once(
    store: SqlStore, follower: LogFollower, session_cache: RecordingSessionCache
) -> None:
    for _ in range(3):
        mark(store, "web")
        follower.poll_once(100.0)
    assert len(session_cache.resets) == 1


def test_no_poll_is_complete_while_the_file_is_missing(
    store: SqlStore, follower: LogFollower, session_cache: RecordingSessionCache, path: Path, backup: Path
) -> None:
    follower.poll_once(1.0)
    copy(path, backup)
    remove_file(path)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            follower.poll_once(2.0)
    # P1: nothing is acknowledged into a file that has no name any more, and none is made in its place.
    with pytest.raises(StoreUnavailable):
        mark(store, "web")
    assert not path.exists()
    restore_file(backup, path)
    follower.poll_once(3.0)
    assert session_cache.confirmed == [1.0, 3.0]


def test_a_file_that_vanishes_before_it_is_opened_is_waited_for(store: SqlStore, path: Path, backup: Path) -> None:
    copy(path, backup)
    aside = path.with_name("aside.db")

    def replaced() -> None:
        if not aside.exists():
            os.rename(path, aside)

    watching = DataVersion(store.engine.url, replaced)
    restore_file(backup, path)
    with pytest.raises(FileNotFoundError):
        watching.change_token()
    os.rename(aside, path)
    aside.touch()
    assert watching.change_token() == watching.change_token()
    watching.close()


def test_a_connection_to_a_replaced_file_is_not_reused(
    store: SqlStore, session_cache: RecordingSessionCache, follower: LogFollower, path: Path, backup: Path
) -> None:
    session = new_session()
    store.sessions.insert(session)
    copy(path, backup)
    store.sessions.replace(new_session(sid=session.sid, subject=session.subject, version=1))
    follower.poll_once(100.0)
    held = store._runner._connections.acquire()
    restore_file(backup, path)
    follower.poll_once(100.0)
    store._runner._connections.release(held)
    found = store.sessions.load(session.sid)
    assert found is not None
    assert (found.session, found.floor) == (session, RevocationFloor())
    assert store.sessions.purge(Instant(LATER)) == 1


def test_attempts_are_counted_in_the_current_file(
    store: SqlStore, follower: LogFollower, path: Path, backup: Path
) -> None:
    follower.poll_once(100.0)
    copy(path, backup)
    assert store.throttles.replace(Bucket("account:ada", 1, NOW, 1))
    restore_file(backup, path)
    follower.poll_once(100.0)
    assert store.throttles.load("account:ada") is None
    assert store.throttles.replace(Bucket("account:ada", 2, NOW, 1))
    reopened = SqlStore(f"sqlite:///{path}")
    assert reopened.throttles.load("account:ada") == Bucket("account:ada", 2, NOW, 1)
    reopened.close()

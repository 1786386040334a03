import os
import sqlite3
import stat
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from keyturn.core.session import Session
from keyturn.core.types import Instant
from keyturn.errors import BadRequest, ConfigurationError, StoreUnavailable
from keyturn.stores.memory import AsyncMemoryStore, MemoryStore
from keyturn.stores.open import open_async_store, open_store
from keyturn.stores.sql.operation import BEGIN, SqlOperation
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.contract.records import NOW, new_account, new_increment, new_name, new_session, session_revocation


def test_memory_is_a_url_too() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(open_async_store("memory:"), AsyncMemoryStore)


def test_every_file_is_private(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqlStore(f"sqlite:///{path}")
        store.sessions.insert(new_session())
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["keyturn.db", "keyturn.db-shm", "keyturn.db-wal"]
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
        store.close()
    finally:
        os.umask(before)


def test_an_existing_file_keeps_its_mode(path: Path) -> None:
    path.touch(0o640)
    path.chmod(0o640)
    SqlStore(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(("runner", "synchronous"), [("_runner", 2), ("_throttle_runner", 1)])
def test_commits_are_durable_but_for_counted_attempts(store: SqlStore, runner: str, synchronous: int) -> None:
    connection = getattr(store, runner)._connections.acquire()
    cursor = connection.cursor()
    settings = {
        name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
    }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": synchronous,
        "foreign_keys": 1,
        "busy_timeout": 0,
        "secure_delete": 2,
    }
    connection.invalidate()


def test_only_the_attempts_are_counted_by_commits_that_wait_for_no_disk(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise StoreUnavailable("the durable runner")

    monkeypatch.setattr(store._runner, "_run", refuse)
    ada = new_session().subject
    reads: list[Callable[[], object]] = [
        lambda: store.sessions.list(ada),
        lambda: store.accounts.load(ada),
        store.log.sequence,
        store.keys.list,
        lambda: store.audit.recent(ada, 1),
    ]
    for read in reads:
        with pytest.raises(StoreUnavailable, match="the durable runner"):
            read()
    assert store.throttles.load("any") is None
    assert store._throttle_runner._write_lock is store._runner._write_lock is not None


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////nowhere/at/all.db",
        "sqlite:////",
        "sqlite:///x.db?mode=ro",
        "not a url",
        "nosuchdatabase://localhost/x",
        "oracle://scott:tiger@localhost/x",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store(url)
    assert "tiger" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        open_async_store(url)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Write without concurrent writers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def refusals_of_writers(store: SqlStore, session: Session) -> list[str]:
    """Return the errors of five concurrent writers."""
    refusals: list[str] = []

    def write() -> None:
        try:
            store.sessions.replace(replace(session, version=1))
        except StoreUnavailable as refusal:
            refusals.append(refusal.detail)

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    # Readers never wait for a writer.
    assert store.sessions.load(session.sid) is not None
    for thread in threads:
        thread.join()
    return refusals


@pytest.mark.timeout(60)
def test_a_locked_database_is_unavailable_within_the_deadline(path: Path) -> None:
    session = new_session()
    with closing(SqlStore(f"sqlite:///{path}", deadline_seconds=0.4)) as store:
        store.sessions.insert(session)
        with locked(path):  # until all have been refused
            refusals = refusals_of_writers(store, session)
        assert len(refusals) == 5
        assert set(refusals) <= {"OperationalError SQLITE_BUSY", "the write lock was not free within the timeout"}
        assert store.sessions.replace(replace(session, version=1)) == 0


@pytest.mark.long(stands_in="tests/stores/test_sqlite.py::test_a_locked_database_is_unavailable_within_the_deadline")
def test_writers_behind_a_lock_are_refused_at_one_deadline_and_not_one_after_another(path: Path) -> None:
    session = new_session()
    with closing(SqlStore(f"sqlite:///{path}", deadline_seconds=0.4)) as store:
        store.sessions.insert(session)
        with locked(path):
            began = time.monotonic()
            refusals_of_writers(store, session)
            assert time.monotonic() - began < 2


def test_a_lock_that_is_let_go_in_time_is_waited_for(store: SqlStore, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, holder.execute, ["ROLLBACK"])
    release.start()
    session = new_session()
    store.sessions.insert(session)
    assert store.sessions.increment_generation(new_increment(session.subject)).sequence == 1
    release.join()
    holder.close()


def test_a_corrupt_database_is_unavailable_without_row_data_in_the_message(store: SqlStore) -> None:
    canary = new_name()
    connection = sqlite3.connect(store.engine.url.database or "")
    connection.execute("DROP TABLE accounts")
    connection.close()
    with pytest.raises(StoreUnavailable) as refused:
        store.accounts.insert(new_account(password_hash=canary))
    assert refused.value.detail == "OperationalError SQLITE_ERROR"
    assert canary not in "".join(traceback.format_exception(refused.value))
    assert refused.value.__suppress_context__


def test_a_transaction_that_fails_half_way_is_undone(store: SqlStore) -> None:
    session = new_session()
    store.sessions.insert(session)
    connection = sqlite3.connect(store.engine.url.database or "")
    connection.execute("ALTER TABLE revocations RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable):
        store.sessions.replace(replace(session, ended_at=NOW, version=1), session_revocation(session))
    with pytest.raises(StoreUnavailable):
        store.sessions.increment_generation(new_increment(session.subject))
    connection.execute("ALTER TABLE elsewhere RENAME TO revocations")
    connection.close()
    found = store.sessions.load(session.sid)
    assert found is not None
    assert (found.session, found.floor.generation, store.log.sequence()) == (session, 0, 0)


def test_a_transaction_may_write_from_its_first_step(store: SqlStore, path: Path) -> None:
    # One that read first, and then another one committed, could never write: SQLITE_BUSY_SNAPSHOT, without waiting.
    other = sqlite3.connect(path, timeout=0, isolation_level=None)

    def operation() -> SqlOperation[str]:
        yield BEGIN
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        return "done"

    assert store._runner.run(operation(), writes=True) == "done"
    other.close()


def test_a_reopened_store_has_all_its_data(path: Path) -> None:
    session = new_session()
    store = SqlStore(f"sqlite:///{path}")
    store.sessions.insert(session)
    ended = replace(session, ended_at=NOW, version=1)
    store.sessions.replace(ended, session_revocation(session))
    store.close()
    store = SqlStore(f"sqlite:///{path}")
    found = store.sessions.load(session.sid)
    assert found is not None
    assert found.session == ended
    assert store.log.sequence() == 1
    store.close()


def test_seeds_of_deleted_sessions_are_overwritten(store: SqlStore, path: Path) -> None:
    session = new_session(expires_at=NOW)
    store.sessions.insert(session)
    store.sessions.purge(NOW)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert session.seed not in path.read_bytes()


def test_a_refused_number_leaves_no_lock_behind(store: SqlStore, path: Path) -> None:
    """A closed connection keeps its lock while a cursor is open, and a stored traceback refers to cursors."""
    subject = new_session().subject
    with pytest.raises(BadRequest) as refusal:
        store.sessions.increment_generation(replace(new_increment(subject), at=Instant(2**63)))
    other = SqlStore(f"sqlite:///{path}", deadline_seconds=1)
    assert other.sessions.increment_generation(new_increment(subject)).sequence == 1
    other.close()
    assert refusal.traceback

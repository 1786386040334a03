"""On PostgreSQL the order of the log's numbers is the order of commits: no follower ever skips an entry."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy.dialects.postgresql import psycopg as dialects

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.stores.log_follower import LogFollower
from keyturn.stores.sql.compiled_statement import CompiledStatement
from keyturn.stores.sql.operation import BEGIN, Result, SqlStep
from keyturn.stores.sql.sessions import SqlSessions
from keyturn.stores.sql.store import SqlStore
from services.fixtures import Fresh
from services.postgres import Postgres
from services.process import until
from stores.recording_sink import LATER, NOW, RecordingSink, mark


class ManualTransaction:
    """One append, as the store defines it, taken a step at a time on a connection of its own."""

    def __init__(self, url: str, key: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self._operation = SqlSessions().raise_not_before(Revocation(RevocationKind.CLIENT, key, NOW, NOW, LATER))
        self._step: SqlStep | None = next(self._operation)
        self._dialect = dialects.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped

    @property
    def done(self) -> bool:
        """Whether nothing is left but the commit."""
        return self._step is None

    def take(self) -> None:
        """Take one step."""
        try:
            self._step = self._operation.send(self._perform(self._step))
        except StopIteration:
            self._step = None

    def end(self, verb: str) -> None:
        self.connection.execute(verb.encode())
        self.connection.close()

    def _perform(self, step: SqlStep | None) -> Result:
        assert step is not None
        if step is BEGIN:
            self.connection.execute("BEGIN")
            return Result((), 0)
        assert isinstance(step, tuple)
        phrase = CompiledStatement(step[0], self._dialect)
        cursor = self.connection.execute(phrase.sql.encode(), phrase.bind(step[1]))
        return Result(cursor.fetchall() if cursor.description else (), cursor.rowcount)


@pytest.fixture
def url(fresh: Fresh) -> str:
    return fresh("postgresql")


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


@pytest.fixture
def waiting(postgres: Postgres) -> Callable[[ManualTransaction], bool]:
    """Whether a transaction stands in line for a lock."""

    def asked(hand: ManualTransaction) -> bool:
        pid = hand.connection.info.backend_pid
        return postgres.run(f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid}") == [("Lock",)]

    return asked


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_two_appends_at_once_are_seen_in_the_order_of_their_commits(
    url: str, store: SqlStore, sink: RecordingSink, waiting: Callable[[ManualTransaction], bool], ending: str
) -> None:
    follower = LogFollower(store.log, sink)
    first, second = ManualTransaction(url, "first"), ManualTransaction(url, "second")

    def look() -> list[tuple[int, str]]:
        follower.poll_once(time.monotonic())
        return [(each.sequence, each.key) for each in sink.entries]

    assert look() == []
    while not first.done:
        first.take()
        assert look() == []
    second.take()
    with ThreadPoolExecutor(1) as pool:
        # The first has its number and has written its entry; the second asks for one.
        number = pool.submit(second.take)
        until(lambda: waiting(second), lambda: "the second did not wait for the first")
        assert look() == []
        first.end(ending)
        number.result(30)
    kept = [(1, "first")] if ending == "COMMIT" else []
    assert look() == kept
    while not second.done:
        second.take()
        assert look() == kept
    second.end("COMMIT")
    # Undone, a number is given again: there is no hole that a follower would wait at.
    assert look() == [*kept, (len(kept) + 1, "second")]


def test_a_follower_reads_every_sequence_in_order_beside_writers(store: SqlStore, sink: RecordingSink) -> None:
    writers, each = 4, 50
    follower, stop = LogFollower(store.log, sink), Event()
    follower.poll_once(0.0)
    thread = Thread(target=follower.run_thread, args=(stop,), kwargs={"interval_seconds": 0.0})
    thread.start()

    def append(writer: int) -> list[int]:
        return [mark(store, f"{writer}").sequence for _ in range(each)]

    try:
        with ThreadPoolExecutor(writers) as pool:
            given = [number for numbers in pool.map(append, range(writers)) for number in numbers]
        until(lambda: len(sink.entries) == writers * each, lambda: f"{len(sink.entries)} entries arrived")
    finally:
        stop.set()
        thread.join()
    assert sorted(given) == [entry.sequence for entry in sink.entries] == list(range(1, writers * each + 1))


def test_every_way_to_append_notifies_the_listeners(url: str, store: SqlStore) -> None:
    with psycopg.connect(url, autocommit=True) as listener, psycopg.connect(url) as hand:
        listener.execute("LISTEN keyturn")
        row: Any = (1, "client", "web", NOW, NOW, LATER)
        hand.execute("INSERT INTO revocations VALUES (%s, %s, %s, %s, %s, %s)", row)
        assert list(listener.notifies(timeout=0.2)) == []
        hand.commit()
        assert [each.channel for each in listener.notifies(timeout=30, stop_after=1)] == ["keyturn"]

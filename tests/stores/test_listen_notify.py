"""The listener on PostgreSQL: notified at once, one heartbeat late without notifications, never silent."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from keyturn.core.revocation import Revocation
from keyturn.errors import StoreUnavailable
from keyturn.stores.log_follower import LogFollower, connect_feed
from keyturn.stores.sql.listen_notify import POLL_SECONDS, NotifyListener
from keyturn.stores.sql.psycopg_driver import DeadlineConnection
from keyturn.stores.sql.store import SqlStore
from services.fixtures import Fresh
from services.postgres import Postgres
from services.process import until
from stores.recording_sink import RecordingSink, mark

APPENDS = 200
NEVER_SECONDS = 3600.0
"""A wait that ends only when told: a test that waits it out has failed."""

pytestmark = pytest.mark.timeout(120)


class TimedSink(RecordingSink):
    """Also writes down when entries came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []

    def apply(self, entry: Revocation) -> None:
        super().apply(entry)
        self.came.append(time.monotonic())


@pytest.fixture
def url(fresh: Fresh) -> str:
    return fresh("postgresql")


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


@pytest.fixture
def watch(store: SqlStore) -> Iterator[NotifyListener]:
    watch = store.watch()
    assert isinstance(watch, NotifyListener)
    yield watch
    watch.close()


@pytest.fixture
def _no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only being told makes news."""
    monkeypatch.setattr("keyturn.stores.sql.listen_notify.HEARTBEAT_SECONDS", NEVER_SECONDS)


@contextmanager
def following(follower: LogFollower) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=follower.run_thread, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        follower.close()


def assert_entry_arrives(store: SqlStore, sink: RecordingSink) -> None:
    """Append, and wait until it is there."""
    entry = mark(store)
    until(lambda: entry in sink.entries, lambda: "the entry never came")


def pid(watch: NotifyListener) -> int:
    assert watch._connection is not None
    return watch._connection.info.backend_pid


@pytest.mark.usefixtures("_no_heartbeat")
def test_an_entry_is_seen_as_soon_as_it_is_committed(
    url: str, store: SqlStore, record_property: Callable[[str, object], None]
) -> None:
    sink, other = TimedSink(), SqlStore(url)
    follower = connect_feed(store, sink)
    assert isinstance(follower, LogFollower)
    late: list[float] = []
    with following(follower):
        until(lambda: bool(sink.confirmed), lambda: "no news at all")
        for number in range(APPENDS):
            mark(other)
            committed_at = time.monotonic()
            until(lambda: len(sink.came) > number, lambda: "an entry never came")  # noqa: B023 - asked at once
            late.append(sink.came[-1] - committed_at)
    other.close()
    assert [each.sequence for each in sink.entries] == list(range(1, APPENDS + 1))
    p99 = quantiles(late, n=100)[98]
    seen = f"p50 {median(late) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, max {max(late) * 1e3:.2f} ms"
    record_property("figure", f"PostgreSQL, from the commit of a revocation to a follower in another store: {seen}")


def test_a_notification_during_a_query_is_not_lost(store: SqlStore, watch: NotifyListener) -> None:
    watch.change_token()
    mark(store)
    # The notification comes with the answer, which may be older than it.
    watch.change_token()
    watch.wait(NEVER_SECONDS, Event())


def test_the_listener_waits_without_notifications(watch: NotifyListener) -> None:
    before = watch.change_token()
    assert watch.change_token() == before
    began = time.monotonic()
    watch.wait(0.2, Event())
    assert time.monotonic() - began >= 0.2
    assert watch.change_token() == before


def test_a_notification_changes_the_token_without_a_query(store: SqlStore, watch: NotifyListener) -> None:
    before = watch.change_token()
    mark(store)
    watch.wait(NEVER_SECONDS, Event())
    asked: list[bytes] = []
    watch._execute = lambda connection, statement: asked.append(statement)  # type: ignore[method-assign,assignment,return-value,func-returns-value]  # sends no query
    assert watch.change_token() != before
    assert asked == []


def test_a_stopped_listener_does_not_wait_for_the_heartbeat(watch: NotifyListener) -> None:
    watch.change_token()
    stop = Event()
    thread = Thread(target=watch.wait, args=(NEVER_SECONDS, stop))
    thread.start()
    stop.set()
    thread.join()


class SilentListener(NotifyListener):
    """As behind a pooler that lends a connection for one transaction."""

    def _execute(self, connection: DeadlineConnection, statement: bytes) -> psycopg.Cursor[Any]:
        connection.execute("UNLISTEN *")
        return super()._execute(connection, statement if b"LISTEN" not in statement else b"SELECT 1")


def test_notifications_that_are_lost_make_news_a_heartbeat_late(
    store: SqlStore, watch: NotifyListener, sink: RecordingSink
) -> None:
    forgetful = SilentListener(watch._connect)
    with following(LogFollower(store.log, sink, notifier=forgetful)):
        until(lambda: bool(sink.confirmed), lambda: "no news at all")
        assert_entry_arrives(store, sink)


@pytest.mark.usefixtures("_no_heartbeat")
def test_a_connection_that_ends_is_noticed_at_once_and_replaced(
    postgres: Postgres, store: SqlStore, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    watch = store.watch()
    assert isinstance(watch, NotifyListener)
    with following(LogFollower(store.log, sink, notifier=watch)), caplog.at_level(logging.WARNING):
        until(lambda: bool(sink.confirmed), lambda: "no news at all")
        first = pid(watch)
        postgres.run(f"SELECT pg_terminate_backend({first})")
        assert_entry_arrives(store, sink)
        until(lambda: watch._connection is not None and pid(watch) != first, lambda: "it did not listen again")
        assert_entry_arrives(store, sink)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("PostgreSQL does not notify of revocations, the log is polled instead: ")
    assert messages[-1].startswith("PostgreSQL notifies of revocations again, after")


def test_the_log_is_polled_while_listening_fails(
    store: SqlStore, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    def connect() -> DeadlineConnection:
        tries.append(time.monotonic())
        raise psycopg.OperationalError("too many connections")

    watch = NotifyListener(connect, jitter=lambda: 1.0)
    with following(LogFollower(store.log, sink, notifier=watch)), caplog.at_level(logging.WARNING):
        until(lambda: bool(sink.confirmed), lambda: "no news at all")
        assert watch.interval_seconds == POLL_SECONDS
        for _ in range(3):
            assert_entry_arrives(store, sink)
        until(lambda: len(tries) >= 3, lambda: "it was not tried again")
    assert len(caplog.records) == 1


def test_attempts_to_listen_back_off() -> None:
    clock, tries = [0.0], []

    def connect() -> DeadlineConnection:
        tries.append(clock[0])
        raise StoreUnavailable("a standby, not the primary")

    watch = NotifyListener(connect, monotonic=lambda: clock[0], jitter=lambda: 1.0)
    while clock[0] < 9:
        watch.change_token()
        clock[0] += 0.03125
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (pytest.approx(0.05, abs=0.06), pytest.approx(2.0, abs=0.06))


def test_each_look_without_a_connection_says_perhaps() -> None:
    def connect() -> DeadlineConnection:
        raise psycopg.OperationalError("away")

    watch = NotifyListener(connect)
    assert watch.change_token() != watch.change_token()
    watch.close()

"""A PostgreSQL server that is slow, frozen, killed or crowded: a refusal within the deadline, then on as before."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psycopg
import pytest

from engines.postgres import Postgres
from engines.process import until
from keyturn.core.instant import SessionId
from keyturn.core.throttle import Bucket
from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.store import AsyncSqlStore, SqlStore
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract.records import Store, new_session

DEADLINE_SECONDS = 1.2
SIZE = 2
SLACK_SECONDS = 3.0
"""What a busy machine may add."""

NOBODY = SessionId("nobody")

Opening = Callable[[], Store]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server to be hurt, whose operator believes that speed is all."""
    server = Postgres(synchronous_commit="off")
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["psycopg, threads", "postgresql+psycopg", "postgresql+asyncpg"])
def store(request: pytest.FixtureRequest, server: Postgres) -> Iterator[Store]:
    url = server.database()
    store: SqlStore | Blocking
    if "threads" in request.param:
        store = SqlStore(url, deadline_seconds=DEADLINE_SECONDS, size=SIZE)
    else:
        named = url.replace("postgresql", request.param, 1)
        store = Blocking(AsyncSqlStore(named, deadline_seconds=DEADLINE_SECONDS, size=SIZE))
    yield store
    store.close()
    server.drop(url)


@contextmanager
def locked(server: Postgres) -> Iterator[None]:
    """Nobody reads a session in the newest database."""
    ((name,),) = server.run("SELECT datname FROM pg_database ORDER BY oid DESC LIMIT 1")
    with psycopg.connect(server.url(str(name))) as other:
        other.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        yield


def refused_within(ask: Callable[[], object], seconds: float) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        ask()
    assert time.monotonic() - began < seconds + SLACK_SECONDS


def works(store: Store) -> bool:
    try:
        return store.sessions.load(NOBODY) is None
    except StoreUnavailable:
        return False


def test_a_statement_that_takes_too_long_is_given_up(store: Store, server: Postgres) -> None:
    assert works(store)
    with locked(server):
        refused_within(lambda: store.sessions.load(NOBODY), DEADLINE_SECONDS)
    assert works(store)


def test_when_every_connection_is_in_use_the_next_is_refused_in_time(store: Store, server: Postgres) -> None:
    with locked(server), ThreadPoolExecutor(SIZE) as pool:
        stuck = [pool.submit(store.sessions.load, NOBODY) for _ in range(SIZE)]
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: server.run(sql) == [(SIZE,)], lambda: "they are not stuck")
        refused_within(lambda: store.sessions.load(NOBODY), DEADLINE_SECONDS)
        assert [isinstance(each.exception(20), StoreUnavailable) for each in stuck] == [True] * SIZE
    assert works(store)


def test_a_frozen_server_is_not_waited_for(store: Store, server: Postgres) -> None:
    session = new_session()
    store.sessions.insert(session)
    server.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            # The first on a connection that was open, the second on one that cannot be opened.
            refused_within(lambda: store.sessions.load(session.sid), DEADLINE_SECONDS + 2)
    finally:
        server.signal(signal.SIGCONT)
    until(lambda: works(store), lambda: "it did not recover")
    assert store.sessions.load(session.sid) is not None


def test_after_a_crash_of_the_server_the_next_question_is_answered(store: Store, server: Postgres) -> None:
    session = new_session()
    store.sessions.insert(session)
    server.kill()
    refused_within(lambda: store.sessions.load(session.sid), DEADLINE_SECONDS)
    server.start()
    found = store.sessions.load(session.sid)
    # Though this server's own default is not to wait for its disk (P1).
    assert found is not None


def test_what_is_acknowledged_is_on_the_disk_whatever_the_servers_default_is(store: Store, server: Postgres) -> None:
    assert server.run("SHOW synchronous_commit") == [("off",)]
    written = "SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()"
    for _ in range(5):
        store.sessions.insert(new_session())
        assert server.run(written) == [(True,)]


def test_counted_attempts_wait_for_no_disk(store: Store, server: Postgres) -> None:
    ahead = "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()"
    stop = Event()
    # The server writes them within a fifth of a second on its own; looked at often enough, it has not yet.
    for version in range(1, 200):
        store.throttles.replace(Bucket("somebody", 1, 0, version))  # type: ignore[arg-type]  # an instant
        if server.run(ahead) == [(True,)]:
            stop.set()
            break
    assert stop.is_set()

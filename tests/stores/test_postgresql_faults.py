"""A PostgreSQL server that is slow, frozen, killed or crowded: a refusal while it lasts, then on as before.

What harms it lasts until a call has been refused: a call without a deadline of its own would never return.
"""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psycopg
import pytest

from keyturn.core.throttle import Bucket
from keyturn.core.types import SessionId
from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.store import AsyncSqlStore, SqlStore
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract.records import Store, new_session
from services.postgres import Postgres
from services.process import until

DEADLINE_SECONDS = 1.2
CROWDED_SECONDS = 4.0
"""Long enough for every connection to be stuck at once."""

AMPLE_SECONDS = 30.0
SIZE = 2

pytestmark = pytest.mark.timeout(120)

NOBODY = SessionId("nobody")

Opening = Callable[[], Store]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Run a server with ``synchronous_commit`` off, for fault injection."""
    server = Postgres(synchronous_commit="off", wal_writer_delay="10s")
    server.start()
    yield server
    server.remove()


@pytest.fixture
def deadline_seconds() -> float:
    """Ample, for a busy machine, unless a test waits for its end."""
    return AMPLE_SECONDS


@pytest.fixture(params=["psycopg, threads", "postgresql+psycopg", "postgresql+asyncpg"])
def store(request: pytest.FixtureRequest, server: Postgres, deadline_seconds: float) -> Iterator[Store]:
    url = server.database()
    store: SqlStore | Blocking
    if "threads" in request.param:
        store = SqlStore(url, deadline_seconds=deadline_seconds, size=SIZE)
    else:
        named = url.replace("postgresql", request.param, 1)
        store = Blocking(AsyncSqlStore(named, deadline_seconds=deadline_seconds, size=SIZE))
    yield store
    store.close()
    server.drop(url)


@contextmanager
def locked(server: Postgres) -> Iterator[None]:
    """Run on a database in which no session was read yet."""
    ((name,),) = server.run("SELECT datname FROM pg_database ORDER BY oid DESC LIMIT 1")
    with psycopg.connect(server.url(str(name))) as other:
        other.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        yield


def works(store: Store) -> bool:
    try:
        return store.sessions.load(NOBODY) is None
    except StoreUnavailable:
        return False


@pytest.mark.parametrize("deadline_seconds", [DEADLINE_SECONDS])
def test_a_statement_that_takes_too_long_is_given_up(store: Store, server: Postgres) -> None:
    until(lambda: works(store))
    with locked(server), pytest.raises(StoreUnavailable):
        store.sessions.load(NOBODY)
    until(lambda: works(store))


@pytest.mark.parametrize("deadline_seconds", [CROWDED_SECONDS])
def test_when_every_connection_is_in_use_the_next_is_refused_in_time(store: Store, server: Postgres) -> None:
    with locked(server), ThreadPoolExecutor(SIZE) as pool:
        stuck = [pool.submit(store.sessions.load, NOBODY) for _ in range(SIZE)]
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: server.run(sql) == [(SIZE,)], lambda: "they are not stuck")
        with pytest.raises(StoreUnavailable):
            store.sessions.load(NOBODY)
        assert [isinstance(each.exception(30), StoreUnavailable) for each in stuck] == [True] * SIZE
    until(lambda: works(store))


@pytest.mark.parametrize("deadline_seconds", [DEADLINE_SECONDS])
def test_a_frozen_server_is_not_waited_for(store: Store, server: Postgres) -> None:
    until(lambda: works(store))
    server.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            # The first on a connection that was open, the second on one that cannot be opened.
            with pytest.raises(StoreUnavailable):
                store.sessions.load(NOBODY)
    finally:
        server.signal(signal.SIGCONT)
    until(lambda: works(store), lambda: "it did not recover")


def test_after_a_crash_of_the_server_the_next_question_is_answered(store: Store, server: Postgres) -> None:
    session = new_session()
    store.sessions.insert(session)
    server.kill()
    with pytest.raises(StoreUnavailable):
        store.sessions.load(session.sid)
    server.start()
    found = store.sessions.load(session.sid)
    # Though this server's own default is not to wait for its disk (P1).
    assert found is not None


def test_a_commit_is_flushed_whatever_synchronous_commit_the_server_sets(store: Store, server: Postgres) -> None:
    assert server.run("SHOW synchronous_commit") == [("off",)]
    written = "SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()"
    for _ in range(5):
        store.sessions.insert(new_session())
        assert server.run(written) == [(True,)]


def test_counted_attempts_wait_for_no_disk(store: Store, server: Postgres) -> None:
    ahead = "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()"
    stop = Event()
    # The server writes them within ten seconds on its own; looked at often enough, it has not yet.
    for version in range(1, 200):
        store.throttles.replace(Bucket("somebody", 1, 0, version))  # type: ignore[arg-type]  # an instant
        if server.run(ahead) == [(True,)]:
            stop.set()
            break
    assert stop.is_set()

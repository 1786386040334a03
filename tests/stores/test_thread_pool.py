"""Turns, connections and crews: who waits for whom, and for how long."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import SessionId
from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.connection_pool import ConnectionPool
from keyturn.stores.sql.fair_lock import FairLock
from keyturn.stores.sql.operation import SqlOperation
from keyturn.stores.sql.runner import Runner
from keyturn.stores.sql.store import AsyncSqlStore, SqlStore
from keyturn.stores.sql.thread_pool import BoundedThreadPool
from keyturn.testing.contract.records import LATER, NOW, new_account, new_increment, new_session, session_revocation
from services.process import until


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turn, order = FairLock(), list[int]()
    turn.acquire(1)

    def write(number: int) -> None:
        turn.acquire(30)
        order.append(number)
        turn.release()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(10)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(turn._waiters) <= number:
            time.sleep(0.001)
    turn.release()
    for thread in threads:
        thread.join()
    assert order == list(range(10))


def test_a_turn_that_does_not_come_is_given_up() -> None:
    turn = FairLock()
    turn.acquire(1)
    with pytest.raises(StoreUnavailable):
        turn.acquire(0.01)
    turn.release()
    turn.acquire(0.01)


def test_a_lock_granted_at_the_deadline_is_kept() -> None:
    turn = FairLock()
    turn.acquire(1)
    turn._cancel(threading.Lock())  # not among the waiting any more: it was handed over


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[ConnectionPool]:
    connections = ConnectionPool(create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=NullPool), 2, 0.01)
    yield connections
    connections.close()


def test_connections_are_reused(connections: ConnectionPool) -> None:
    first = connections.acquire()
    connections.release(first)
    assert connections.acquire() is first
    connections.discard(first)


def test_no_more_connections_are_opened_than_allowed(connections: ConnectionPool) -> None:
    accepted = [connections.acquire(), connections.acquire()]
    with pytest.raises(StoreUnavailable):
        connections.acquire()
    connections.discard(accepted[0])
    again = connections.acquire()
    assert again is not accepted[0]
    connections.release(again)
    # The server went away: so did the idle ones.
    connections.discard(accepted[1], include_idle=True)
    assert connections.acquire() is not again


def test_a_connection_that_cannot_be_opened_takes_no_place(tmp_path: Path) -> None:
    connections = ConnectionPool(create_engine(f"sqlite:///{tmp_path}/no/x.db", poolclass=NullPool), 1, 0.01)
    for _ in range(3):
        with pytest.raises(Exception, match="unable to open"):
            connections.acquire()
    (tmp_path / "no").mkdir()
    connections.discard(connections.acquire())


def test_a_crew_takes_no_more_than_it_can_queue() -> None:
    async def main() -> None:
        crew, go = BoundedThreadPool(1, 1, "test", timeout_seconds=30), threading.Event()
        tasks = [asyncio.create_task(crew.run(go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await crew.run(go.wait)
        go.set()
        assert await asyncio.gather(*tasks) == [True, True]
        assert await crew.run(lambda: 1) == 1
        crew.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await crew.run(lambda: 1)

    asyncio.run(main())


def test_a_call_that_does_not_start_in_time_is_not_executed() -> None:
    async def main() -> None:
        crew, go, done = BoundedThreadPool(1, 5, "test", timeout_seconds=30), threading.Event(), list[str]()
        first = asyncio.create_task(crew.run(go.wait))
        await asyncio.sleep(0)
        crew._timeout_seconds = 0.05
        with pytest.raises(StoreUnavailable, match="all threads stayed in use until the timeout"):
            await crew.run(done.append, "second")
        go.set()
        assert await first
        crew._timeout_seconds = 30
        await crew.run(done.append, "third")
        crew.close()
        assert done == ["third"]

    asyncio.run(main())


def test_a_call_that_waits_while_the_pool_is_closed_is_refused_and_cancels_no_task() -> None:
    async def main() -> list[object]:
        crew, go, done = BoundedThreadPool(1, 5, "test", timeout_seconds=30), threading.Event(), list[str]()
        tasks = [asyncio.create_task(crew.run(go.wait)), asyncio.create_task(crew.run(done.append, "second"))]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(crew.close))
        await asyncio.to_thread(until, lambda: crew._is_closed)
        go.set()
        await closing
        assert done == []
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = asyncio.run(main())
    assert first is True
    assert isinstance(second, StoreUnavailable)


def test_a_call_cancelled_in_the_queue_is_not_executed() -> None:
    async def main() -> list[str]:
        crew, go, done = BoundedThreadPool(1, 5, "test", timeout_seconds=30), threading.Event(), list[str]()
        first = asyncio.create_task(crew.run(go.wait))
        second = asyncio.create_task(crew.run(done.append, "second"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        go.set()
        await first
        await crew.run(done.append, "third")
        crew.close()
        return done

    assert asyncio.run(main()) == ["third"]


def test_readers_do_not_stand_behind_writers(tmp_path: Path) -> None:
    async def main() -> None:
        store = AsyncSqlStore(f"sqlite:///{tmp_path}/keyturn.db", deadline_seconds=30)
        assert repr(store).startswith("AsyncSqlStore('sqlite:///")
        store.store._runner._write_lock.acquire(1)  # type: ignore[union-attr]  # SQLite has one
        writes = [asyncio.create_task(store.sessions.insert(new_session())) for _ in range(20)]
        await asyncio.sleep(0.01)
        assert await store.sessions.load(SessionId("unknown")) is None
        assert not any(task.done() for task in writes)
        store.store._runner._write_lock.release()  # type: ignore[union-attr]  # SQLite has one
        await asyncio.gather(*writes)
        assert await store.sessions.purge(NOW) == 0
        await store.close()

    asyncio.run(main())


def test_every_write_waits_for_its_turn_and_no_read_does(tmp_path: Path) -> None:
    """A write that comes out of turn meets the others' lock, and is refused where it should have waited."""
    store = SqlStore(f"sqlite:///{tmp_path}/keyturn.db", deadline_seconds=0.3)
    session = new_session()
    store.sessions.insert(session)
    used = replace(session, version=1)
    store._runner._write_lock.acquire(1)  # type: ignore[union-attr]  # SQLite has one
    for write in (
        lambda: store.sessions.insert(new_session()),
        lambda: store.sessions.replace(used),
        lambda: store.sessions.replace(used, session_revocation(used)),
        lambda: store.sessions.wait_durable(session),
        lambda: store.sessions.increment_generation(new_increment(session.subject)),
        lambda: store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", NOW, NOW, LATER)),
        lambda: store.accounts.insert(new_account()),
        lambda: store.accounts.replace(new_account(version=1)),
        lambda: store.accounts.replace_and_revoke(new_account(version=1), new_increment(session.subject)),
    ):
        with pytest.raises(StoreUnavailable, match="write lock"):
            write()
    assert store.sessions.load(session.sid)
    assert store.sessions.list(session.subject)
    assert store.sessions.revocation_floor(session.subject, "web").generation == 0
    assert store.log.sequence() == 0
    store._runner._write_lock.release()  # type: ignore[union-attr]  # SQLite has one
    store.close()


def test_writers_do_not_wait_while_dead_sessions_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among a million living ones that takes seconds, and every process does it every minute."""
    store, turns, run = SqlStore(f"sqlite:///{tmp_path / 'keyturn.db'}"), list[bool](), Runner.run

    def monitored(runner: Runner, operation: SqlOperation[object], *, writes: bool) -> object:
        turns.append(writes)
        return run(runner, operation, writes=writes)

    for expires_at in (NOW, LATER):
        store.sessions.insert(new_session(expires_at=expires_at))
    monkeypatch.setattr(Runner, "run", monitored)
    assert store.sessions.purge(NOW) == 1
    # Looked for, deleted, looked for again; the log.
    assert turns == [False, True, False, True]
    store.close()

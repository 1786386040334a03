"""The limits of a SQL store: how many operations queue, and how long a new connection waits for a lock."""

import asyncio
import sqlite3

import pytest
from sqlalchemy import event

from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.database import find_database
from keyturn.stores.sql.store import AsyncSqlStore
from keyturn.testing.contract.records import new_session


def test_a_thousand_writes_queue_behind_one_and_the_next_is_refused(url: str) -> None:
    async def main() -> None:
        store = AsyncSqlStore(url, deadline_seconds=30)
        turn = store.store._runner._write_lock  # type: ignore[union-attr]  # SQLite has one
        turn.acquire(1)
        writes = [asyncio.ensure_future(store.sessions.insert(new_session())) for _ in range(1 + 1000 + 1)]
        await asyncio.sleep(0)
        ended = [each for each in writes if each.done()]
        for each in writes[1:-1]:
            each.cancel()
        turn.release()
        results = await asyncio.gather(*writes, return_exceptions=True)
        await store.close()
        assert ended == writes[-1:]
        assert isinstance(results[-1], StoreUnavailable)
        assert results[0] is None

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["engine", "throttle_engine"])
def test_a_new_connection_waits_for_a_lock_for_half_of_the_deadline_and_then_the_runner_waits(
    engine: str, url: str
) -> None:
    database, asked = find_database(url, deadline_seconds=4.0), list[str]()

    def listen(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(asked.append)

    event.listen(getattr(database, engine), "connect", listen, insert=True)
    with getattr(database, engine).connect():
        pass
    settings = [each.removeprefix("PRAGMA ") for each in asked if "busy_timeout" in each or "journal_mode" in each]
    assert settings == ["busy_timeout=2000", "journal_mode=WAL", "busy_timeout=0"]

"""A closed async store: neither a read nor a write begins, and none of its threads and connections is left."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from keyturn.core.types import SessionId
from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.asyncpg_pool import AsyncpgPool
from keyturn.stores.sql.store import AsyncSqlStore
from keyturn.testing.contract.records import new_session
from services.fixtures import Fresh

CALLS: dict[str, Callable[[AsyncSqlStore], object]] = {
    "read": lambda store: store.sessions.load(SessionId("unknown")),
    "write": lambda store: store.sessions.insert(new_session()),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_sqlite_store_refuses_reads_and_writes(call: str, url: str) -> None:
    async def main() -> None:
        store = AsyncSqlStore(url)
        await store.sessions.insert(new_session())
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await CALLS[call](store)  # type: ignore[misc]  # either gives something to await

    asyncio.run(main())


def test_closing_a_sqlite_store_ends_its_threads(url: str) -> None:
    async def main() -> None:
        store = AsyncSqlStore(url)
        await store.sessions.insert(new_session())
        await store.sessions.load(SessionId("unknown"))
        await store.close()

    before = set(threading.enumerate())
    asyncio.run(main())
    assert [each for each in threading.enumerate() if each not in before] == []


def test_a_closed_pool_of_asyncpg_has_no_open_connection(fresh: Fresh) -> None:
    import asyncpg

    async def main() -> None:
        pool = AsyncpgPool(lambda: asyncpg.connect(fresh()), size=2, waiting=1, timeout_seconds=1)
        idle, used = await pool.acquire(), await pool.acquire()
        pool.release(idle)
        pool.close()
        assert (idle.connection.is_closed(), used.connection.is_closed()) == (True, False)
        with pytest.raises(StoreUnavailable, match="closed"):
            await pool.acquire()
        pool.release(used)
        assert used.connection.is_closed()

    asyncio.run(main())


def test_a_connection_that_cannot_be_opened_takes_no_place_in_the_pool_of_asyncpg() -> None:
    async def refuse() -> None:
        raise ConnectionRefusedError

    async def main() -> None:
        pool = AsyncpgPool(refuse, size=1, waiting=0, timeout_seconds=1)  # type: ignore[arg-type]  # never one
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await pool.acquire()

    asyncio.run(main())

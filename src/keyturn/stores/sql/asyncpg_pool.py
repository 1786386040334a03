"""Bounded pool of asyncpg connections.

asyncpg's own pool resets a connection after each use. That round trip is not needed: every operation leaves its
connection unchanged.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement

from keyturn.errors import ConfigurationError, StoreUnavailable


class PreparedConnection:
    """Connection with its prepared statements."""

    __slots__ = ("connection", "prepared")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.prepared: dict[str, PreparedStatement] = {}

    async def prepare(self, sql: str) -> PreparedStatement:
        """Prepare ``sql`` and cache the statement. Statements are module constants, so the cache is bounded."""
        statement = self.prepared[sql] = await self.connection.prepare(sql)
        return statement


class AsyncpgPool:
    """Pool of at most ``size`` connections for one event loop, opened on demand. At most ``waiting`` tasks wait."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, size: int, waiting: int, timeout_seconds: float
    ) -> None:
        self._connect = connect
        self._timeout_seconds = timeout_seconds
        self._slots = asyncio.Semaphore(size)
        self._free = size + waiting
        self._idle: list[PreparedConnection] = []
        self._pid = os.getpid()
        self._closed = False

    async def acquire(self) -> PreparedConnection:
        """Return an idle connection, or open one.

        Raises ``StoreUnavailable`` if all stay in use or too many tasks wait, ``ConfigurationError`` after a fork.
        """
        if self._pid != os.getpid():
            # Two processes on one socket would read each other's responses.
            raise ConfigurationError("the store was opened before a fork; open a store in each process")
        await self._reserve_slot()
        try:
            while self._idle:
                conn = self._idle.pop()
                if not conn.connection.is_closed():
                    return conn
            return PreparedConnection(await self._connect())
        except BaseException:
            self._release_slot()
            raise

    def release(self, conn: PreparedConnection) -> None:
        """Return ``conn`` to the pool."""
        if self._closed:
            conn.connection.terminate()
        else:
            self._idle.append(conn)
        self._release_slot()

    def discard(self, conn: PreparedConnection, *, include_idle: bool = False) -> None:
        """Close ``conn``, which rolls back its transaction. ``include_idle``: close the idle connections as well."""
        conn.connection.terminate()
        self._release_slot()
        if include_idle:
            self.drop()

    def drop(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().connection.terminate()

    def close(self) -> None:
        """Close every idle connection now, the others when they are released."""
        self._closed = True
        self.drop()

    async def _reserve_slot(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._free == 0:
            raise StoreUnavailable("too many operations are waiting for the store; retry later")
        self._free -= 1
        if not self._slots.locked():
            await self._slots.acquire()  # does not wait: a slot is free
            return
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            self._free += 1
            raise StoreUnavailable("all connections stayed in use until the timeout") from None
        except BaseException:
            self._free += 1
            raise

    def _release_slot(self) -> None:
        self._slots.release()
        self._free += 1

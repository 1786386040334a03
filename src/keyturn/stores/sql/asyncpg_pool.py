"""Connections of asyncpg kept open, a bounded number of them. asyncpg's own pool resets each one after each use: a
round trip for nothing, where every operation leaves its connection as it found it."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement

from keyturn.errors import ConfigurationError, StoreUnavailable


class PreparedConnection:
    """A connection, and the statements ``prepared`` on it."""

    __slots__ = ("connection", "prepared")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.prepared: dict[str, PreparedStatement] = {}

    async def prepare(self, sql: str) -> PreparedStatement:
        """Prepare ``sql``, once; statements are constants, so this cannot grow without bound."""
        statement = self.prepared[sql] = await self.connection.prepare(sql)
        return statement


class AsyncpgPool:
    """At most ``size`` connections of one event loop, opened when first needed; ``waiting`` may stand in line."""

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
        """An idle connection, or a new one. Raises ``StoreUnavailable`` when all stay in use or too many wait, and
        ``ConfigurationError`` in a child process."""
        if self._pid != os.getpid():
            # Two processes on one socket would read each other's answers.
            raise ConfigurationError("this store was opened before a fork; open one in each process")
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
        """Make ``link`` idle."""
        if self._closed:
            conn.connection.terminate()
        else:
            self._idle.append(conn)
        self._release_slot()

    def discard(self, conn: PreparedConnection, *, include_idle: bool = False) -> None:
        """Close ``link`` at once, which undoes whatever was open on it. ``every``: the idle ones as well."""
        conn.connection.terminate()
        self._release_slot()
        if include_idle:
            self.drop()

    def drop(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().connection.terminate()

    def close(self) -> None:
        """Close every idle connection now, the others when they are given back."""
        self._closed = True
        self.drop()

    async def _reserve_slot(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._free == 0:
            raise StoreUnavailable("too many operations are waiting for the store")
        self._free -= 1
        if not self._slots.locked():
            await self._slots.acquire()  # which then is at once
            return
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            self._free += 1
            raise StoreUnavailable("every connection is in use") from None
        except BaseException:
            self._free += 1
            raise

    def _release_slot(self) -> None:
        self._slots.release()
        self._free += 1

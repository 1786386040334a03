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
        self, connect: Callable[[], Awaitable[Connection]], *, size: int, waiting: int, patience_seconds: float
    ) -> None:
        self._connect = connect
        self._patience_seconds = patience_seconds
        self._places = asyncio.Semaphore(size)
        self._room = size + waiting
        self._idle: list[PreparedConnection] = []
        self._process = os.getpid()
        self._closed = False

    async def acquire(self) -> PreparedConnection:
        """An idle connection, or a new one. Raises ``StoreUnavailable`` when all stay in use or too many wait, and
        ``ConfigurationError`` in a child process."""
        if self._process != os.getpid():
            # Two processes on one socket would read each other's answers.
            raise ConfigurationError("this store was opened before a fork; open one in each process")
        await self._enter()
        try:
            while self._idle:
                link = self._idle.pop()
                if not link.connection.is_closed():
                    return link
            return PreparedConnection(await self._connect())
        except BaseException:
            self._leave()
            raise

    def release(self, link: PreparedConnection) -> None:
        """Make ``link`` idle."""
        if self._closed:
            link.connection.terminate()
        else:
            self._idle.append(link)
        self._leave()

    def discard(self, link: PreparedConnection, *, every: bool = False) -> None:
        """Close ``link`` at once, which undoes whatever was open on it. ``every``: the idle ones as well."""
        link.connection.terminate()
        self._leave()
        if every:
            self.drop()

    def drop(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().connection.terminate()

    def close(self) -> None:
        """Close every idle connection now, the others when they are given back."""
        self._closed = True
        self.drop()

    async def _enter(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._room == 0:
            raise StoreUnavailable("too many operations are waiting for the store")
        self._room -= 1
        if not self._places.locked():
            await self._places.acquire()  # which then is at once
            return
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError:
            self._room += 1
            raise StoreUnavailable("every connection is in use") from None
        except BaseException:
            self._room += 1
            raise

    def _leave(self) -> None:
        self._places.release()
        self._room += 1

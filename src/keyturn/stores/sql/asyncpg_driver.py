"""Async ports over asyncpg, running the same operations as the sync store."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg as dialects

from keyturn.core.types import T
from keyturn.errors import BadRequest, StoreUnavailable
from keyturn.generators import run_async
from keyturn.ports import StorePorts
from keyturn.stores.proxy import set_proxies
from keyturn.stores.sql.accounts import Accounts
from keyturn.stores.sql.address import CONNECT_SECONDS, SqlAddress
from keyturn.stores.sql.async_ports import throttle_pool_size
from keyturn.stores.sql.asyncpg_pool import AsyncpgPool, PreparedConnection
from keyturn.stores.sql.compiled_statement import CompiledStatement
from keyturn.stores.sql.connect_errors import sql_error_summary
from keyturn.stores.sql.definitions import port_definitions
from keyturn.stores.sql.operation import (
    Batches,
    Control,
    ExternalCall,
    Result,
    SqlOperation,
    SqlStep,
    Transaction,
    UniqueViolation,
)
from keyturn.stores.sql.postgresql import check_server, connection_setup_sql
from keyturn.stores.sql.runner import UNSTORABLE

_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, UniqueViolation)

_Loop = asyncio.AbstractEventLoop


class AsyncpgConnector:
    """Opens connections to the primary among the servers, trying the last known primary first."""

    def __init__(self, address: SqlAddress, deadline_seconds: float, *, durable: bool) -> None:
        self._label = address.label
        self._urls = address.asyncpg_urls()
        self._setup_sql = connection_setup_sql(deadline_seconds, durable=durable)
        self._primary = 0

    async def __call__(self) -> asyncpg.Connection:
        """Connect to the primary. Raises asyncpg's errors, or ``StoreUnavailable`` if the last server is a standby."""
        start, count = self._primary, len(self._urls)
        failure: Exception = StoreUnavailable("the URL has no host")
        for index in (*range(start, count), *range(start)):
            try:
                connection = await self._open(self._urls[index])
            except (*_FAILURES, StoreUnavailable) as error:
                failure = error
            else:
                self._primary = index
                return connection
        raise failure

    async def _open(self, url: str) -> asyncpg.Connection:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            row = await connection.fetchrow(self._setup_sql, timeout=CONNECT_SECONDS)
            check_server(tuple(row or ()), self._label)
        except BaseException:
            connection.terminate()
            raise
        return connection


class AsyncpgRunner:
    """Runs operations for any number of tasks, over at most ``size`` connections per event loop.

    ``deadline_seconds``: longest time for one operation, all of its waits together. An error or a cancellation closes
    the operation's connection, which rolls back an open transaction.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], *, size: int, waiting: int, deadline_seconds: float
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._make_pool = partial(
            AsyncpgPool, connect, size=size, waiting=waiting, timeout_seconds=deadline_seconds / 3
        )
        # A connection belongs to the event loop that opened it.
        self._pools: weakref.WeakKeyDictionary[_Loop, AsyncpgPool] = weakref.WeakKeyDictionary()
        self._dialect = dialects.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
        self._statements: dict[Executable, CompiledStatement] = {}

    async def run(self, operation: SqlOperation[T]) -> T:
        """Run ``operation``. Raises ``StoreUnavailable``, or ``BadRequest`` for a value that no store can hold."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._run(operation)
        except (UnicodeEncodeError, OverflowError, asyncpg.DataError):
            # A lone surrogate (JSON has them) or a number of more than 64 bits.
            raise BadRequest(UNSTORABLE) from None
        except _FAILURES as error:
            if isinstance(error, ValueError):  # asyncpg cannot encode a parameter
                raise BadRequest(UNSTORABLE) from None
            # Drop the message and the cause: databases quote the row, and the row holds secrets.
            raise StoreUnavailable(sql_error_summary(error)) from None

    async def run_batches(self, batches: Batches[T]) -> T:
        """Run every operation of ``batches`` in turn, each with the full deadline."""
        return await run_async(batches, lambda batch: self.run(batch[0]))

    def bind(self, define: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Return a method that runs the operation, or the batches, of ``define``."""
        run: Callable[[Any], Awaitable[Any]] = self.run_batches if getattr(define, "in_batches", False) else self.run

        async def call(*arguments: object) -> Any:
            return await run(define(*arguments))

        return call

    def close(self) -> None:
        """Close the connections of every event loop, each in its own loop."""
        for loop, pool in list(self._pools.items()):
            if loop is asyncio.get_running_loop():
                pool.close()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(pool.close)

    async def _run(self, operation: SqlOperation[T]) -> T:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._pools[loop] = self._make_pool()
        conn = await pool.acquire()
        try:
            result = await self._drive(conn, operation)
        except BaseException as error:
            # After a timeout or a lost connection, the server will not answer on idle connections either.
            is_lost = conn.connection.is_closed() or isinstance(error, asyncio.CancelledError)
            pool.discard(conn, include_idle=is_lost)
            raise
        pool.release(conn)
        return result

    async def _drive(self, conn: PreparedConnection, operation: SqlOperation[T]) -> T:
        transaction = Transaction()

        async def perform(step: SqlStep) -> Result:
            try:
                answer = await self._perform(conn, step)
            except asyncpg.IntegrityConstraintViolationError:
                raise UniqueViolation from None
            transaction.follow(step)
            return answer

        result = await run_async(operation, perform)
        if transaction.is_open:
            await conn.connection.execute("COMMIT")
        return result

    async def _perform(self, conn: PreparedConnection, step: SqlStep) -> Result:
        if isinstance(step, ExternalCall):
            return Result((await step.run_async(),), 0)
        if isinstance(step, Control):
            await conn.connection.execute("BEGIN" if step is Control.BEGIN else "ROLLBACK")
            return Result((), 0)
        compiled = self._statements.get(step[0]) or self._compile(step[0])
        parameters = compiled.bind(step[1])
        statement = conn.prepared.get(compiled.sql) or await conn.prepare(compiled.sql)
        rows = await statement.fetch(*parameters)
        return Result(rows, _count(statement.get_statusmsg()))

    def _compile(self, statement: Executable) -> CompiledStatement:
        # Statements are module constants, so the cache is bounded.
        compiled = self._statements[statement] = CompiledStatement(statement, self._dialect)
        return compiled


class AsyncpgPorts(StorePorts):
    """Async ports over asyncpg."""

    def __init__(
        self,
        address: SqlAddress,
        *,
        deadline_seconds: float,
        size: int,
        waiting: int,
        accounts: Accounts | None = None,
    ) -> None:
        self._runners = tuple(
            AsyncpgRunner(
                AsyncpgConnector(address, deadline_seconds, durable=durable),
                size=size if durable else throttle_pool_size(size),
                waiting=waiting,
                deadline_seconds=deadline_seconds,
            )
            for durable in (True, False)
        )
        runner, throttle_runner = self._runners
        definitions = port_definitions(accounts)
        set_proxies(self, definitions, runner.bind)
        set_proxies(self, {"throttles": definitions["throttles"]}, throttle_runner.bind)

    async def close(self) -> None:
        """Close every connection."""
        for each in self._runners:
            each.close()
        # A transport is closed in the event loop's next iteration.
        await asyncio.sleep(0)


def _count(status: str | None) -> int:
    """Return the rows changed, as in ``UPDATE 1`` and ``INSERT 0 1``; 0 for ``SELECT 5``."""
    verb, _, rest = (status or "SELECT 0").partition(" ")
    return 0 if verb == "SELECT" else int(rest.rpartition(" ")[2])

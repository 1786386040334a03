"""Sync runner of operations: pooled connections, a write lock for single-writer databases, and a deadline."""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from sqlalchemy import Engine, Executable, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from keyturn.core.types import T
from keyturn.errors import BadRequest, StoreUnavailable
from keyturn.generators import run
from keyturn.stores.sql.compiled_statement import CompiledStatement, Parameters
from keyturn.stores.sql.connect_errors import sql_error_summary
from keyturn.stores.sql.connection_pool import ConnectionPool
from keyturn.stores.sql.driver_hooks import DriverHooks
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

UNSTORABLE = "a value cannot be stored"

_NO_PARAMETERS: Parameters = ()
_PAUSE_SECONDS = 0.0005
"""Pause between two attempts while another process holds the lock.

SQLite's own pauses grow to 100 ms: a process that waits that long starves for seconds beside a constant writer.
"""


class Runner:
    """Runs operations for any number of threads over at most ``size`` connections.

    ``engine``: must be in autocommit mode and must not pool connections; the runner pools them.
    ``deadline_seconds``: longest time for one operation, all of its waits together. ``hooks``: hooks of the database,
    shared by all of its runners.
    """

    def __init__(self, engine: Engine, hooks: DriverHooks, *, size: int, deadline_seconds: float) -> None:
        self._engine = engine
        self._is_busy = hooks.is_busy
        self._set_deadline = hooks.set_deadline
        self._dbapi: Any = engine.dialect.loaded_dbapi
        # An operation waits three times at most: for the write lock, for a connection, for other processes.
        self._deadline_seconds, self._timeout_seconds = deadline_seconds, deadline_seconds / 3
        self._connections = ConnectionPool(engine, size, self._timeout_seconds, hooks.is_alive)
        hooks.close_before_fork(self._connections.close)
        self._write_lock = hooks.write_lock
        self._begin_sql = hooks.begin
        self._statements: dict[Executable, CompiledStatement] = {}

    def run(self, operation: SqlOperation[T], *, writes: bool) -> T:
        """Run ``operation``. Raises ``StoreUnavailable``, or ``BadRequest`` for a value that no store can hold."""
        write_lock = self._write_lock if writes else None
        if write_lock is not None:
            write_lock.acquire(self._timeout_seconds)
        try:
            return self._run(operation)
        except (UnicodeEncodeError, OverflowError, self._dbapi.DataError):
            # A lone surrogate (JSON has them) or a number of more than 64 bits.
            raise BadRequest(UNSTORABLE) from None
        except (self._dbapi.Error, SQLAlchemyError, UniqueViolation) as error:
            # Drop the message and the cause: databases quote the row, and the row holds secrets.
            raise StoreUnavailable(sql_error_summary(error)) from None
        finally:
            if write_lock is not None:
                write_lock.release()

    def run_batches(self, batches: Batches[T]) -> T:
        """Run every operation of ``batches`` in turn, each with the full deadline."""
        return run(batches, lambda batch: self.run(batch[0], writes=batch[1]))

    def bind(self, define: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that runs the operation, or the batches, of ``define``."""
        is_write = getattr(define, "writes", False)
        run = self.run_batches if getattr(define, "in_batches", False) else partial(self.run, writes=is_write)

        def call(*arguments: object) -> Any:
            return run(define(*arguments))

        call.writes = is_write  # type: ignore[attr-defined]  # read by ThreadPorts to choose a thread pool
        return call

    def reset(self) -> None:
        """Replace all connections: they lead to a database file that was replaced."""
        self._connections.reset()

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _run(self, operation: SqlOperation[T]) -> T:
        give_up_at = time.monotonic() + self._deadline_seconds
        connection = self._connections.acquire()
        driver_connection: Any = connection.driver_connection
        self._set_deadline(driver_connection, give_up_at)
        try:
            result = self._drive(connection, operation)
        except self._dbapi.Error as error:
            # After a timeout or a lost connection, the server will not answer on idle connections either.
            is_lost = (
                self._engine.dialect.is_disconnect(error, driver_connection, None) or time.monotonic() > give_up_at
            )
            self._connections.discard(connection, include_idle=is_lost)
            raise
        except BaseException:
            self._connections.discard(connection)
            raise
        self._connections.release(connection)
        return result

    def _drive(self, connection: PoolProxiedConnection, operation: SqlOperation[T]) -> T:
        # Always close the cursor: SQLite keeps a closed connection and its lock while one of its cursors is open, and
        # the traceback of a refused value would keep that cursor alive (sqlite.org/c3ref/close.html).
        with closing(connection.cursor()) as cursor:
            return self._drive_cursor(cursor, operation)

    def _drive_cursor(self, cursor: Any, operation: SqlOperation[T]) -> T:
        transaction = Transaction()

        def perform(step: SqlStep) -> Result:
            try:
                answer = self._perform(cursor, step, transaction.is_open)
            except self._dbapi.IntegrityError:
                raise UniqueViolation from None
            transaction.follow(step)
            return answer

        result = run(operation, perform)
        if transaction.is_open:
            cursor.execute("COMMIT")
        return result

    def _perform(self, cursor: Any, step: SqlStep, in_transaction: bool) -> Result:
        if isinstance(step, ExternalCall):
            return Result((step.run(),), 0)
        if isinstance(step, Control):
            sql, parameters = (self._begin_sql if step is Control.BEGIN else "ROLLBACK"), _NO_PARAMETERS
        else:
            compiled = self._statements.get(step[0]) or self._compile(step[0])
            sql, parameters = compiled.sql, compiled.bind(step[1])
        try:
            cursor.execute(sql, parameters)
        except self._dbapi.OperationalError as error:
            if in_transaction or not self._is_busy(error):
                raise
            self._execute_retrying(cursor, sql, parameters)
        return Result((), cursor.rowcount) if cursor.description is None else Result(cursor.fetchall(), 0)

    def _execute_retrying(self, cursor: Any, sql: str, parameters: Parameters) -> None:
        # Called outside a transaction only: a statement that failed on a lock has had no effect.
        give_up_at = time.monotonic() + self._timeout_seconds
        while True:
            time.sleep(_PAUSE_SECONDS)
            try:
                cursor.execute(sql, parameters)
            except self._dbapi.OperationalError as error:
                if not self._is_busy(error) or time.monotonic() > give_up_at:
                    raise
            else:
                return

    def _compile(self, statement: Executable) -> CompiledStatement:
        # Statements are module constants, so the cache is bounded.
        compiled = self._statements[statement] = CompiledStatement(statement, self._engine.dialect)
        return compiled

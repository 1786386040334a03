"""Run operations: on kept connections, in turn where the database has one writer, within a deadline."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy import Engine, Executable, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import BadRequest, StoreUnavailable
from keyturn.stores.sql.batches import Batches
from keyturn.stores.sql.compiled_statement import CompiledStatement
from keyturn.stores.sql.connect_errors import error_summary
from keyturn.stores.sql.connection_pool import ConnectionPool
from keyturn.stores.sql.driver_hooks import DriverHooks
from keyturn.stores.sql.operation import Control, ExternalCall, Operation, Result, Step, T, UniqueViolation

UNSTORABLE = "a value no store can hold"

_PAUSE_SECONDS = 0.0005
"""Between two tries for a lock another process holds. SQLite's own pauses grow to 100 ms: beside a process that writes
all the time, one that waits so long starves for seconds."""


class Runner:
    """Runs operations for any number of threads over at most ``size`` connections.

    ``engine`` must be in autocommit mode and must not pool: connections are kept here, ready to use.
    ``deadline_seconds``: longest time for one operation, all of its waits together. ``customs``: what the database
    wants done in its own way; all runners on it share them.
    """

    def __init__(self, engine: Engine, hooks: DriverHooks, *, size: int, deadline_seconds: float) -> None:
        self._engine = engine
        self._is_busy = hooks.is_busy
        self._set_deadline = hooks.set_deadline
        self._dbapi: Any = engine.dialect.loaded_dbapi
        # Three waits at most: for the turn, for a connection, for other processes.
        self._deadline_seconds, self._timeout_seconds = deadline_seconds, deadline_seconds / 3
        self._connections = ConnectionPool(engine, size, self._timeout_seconds, hooks.is_alive)
        self._write_lock = hooks.write_lock
        self._begin_sql = hooks.begin
        self._statements: dict[Executable, CompiledStatement] = {}

    def run(self, operation: Operation[T], *, writes: bool) -> T:
        """Drive ``operation`` to its end. Raises ``StoreUnavailable``, or ``BadRequest`` for what no store can hold."""
        write_lock = self._write_lock if writes else None
        if write_lock is not None:
            write_lock.acquire(self._timeout_seconds)
        try:
            return self._run(operation)
        except (UnicodeEncodeError, OverflowError, self._dbapi.DataError):
            # A lone surrogate (JSON has them) or a number of more than 64 bits.
            raise BadRequest(UNSTORABLE) from None
        except (self._dbapi.Error, SQLAlchemyError, UniqueViolation) as error:
            # Neither the message nor the cause goes on: a database quotes the row, and the row holds secrets.
            raise StoreUnavailable(error_summary(error)) from None
        finally:
            if write_lock is not None:
                write_lock.release()

    def run_batches(self, batches: Batches[T]) -> T:
        """Run every operation of ``parts``, one after the other; each has the whole deadline."""
        try:
            operation, writes = next(batches)
            while True:
                operation, writes = batches.send(self.run(operation, writes=writes))
        except StopIteration as done:
            result: T = done.value
            return result

    def reset(self) -> None:
        """Go on with new connections: the old ones lead to a database that is no longer there."""
        self._connections.reset()

    def close(self) -> None:
        """Close the connections nobody is using."""
        self._connections.close()

    def _run(self, operation: Operation[T]) -> T:
        give_up_at = time.monotonic() + self._deadline_seconds
        connection = self._connections.acquire()
        driver_connection: Any = connection.driver_connection
        self._set_deadline(driver_connection, give_up_at)
        try:
            result = self._drive(connection, operation)
        except self._dbapi.Error as error:
            # The server is gone, or does not answer in time: nor will it to the idle ones.
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

    def _drive(self, connection: PoolProxiedConnection, operation: Operation[T]) -> T:
        # Closed whatever happens: SQLite keeps a closed connection, its lock with it, while a cursor of it is open, and
        # the traceback of a refused value would hold that cursor (sqlite.org/c3ref/close.html).
        with closing(connection.cursor()) as cursor:
            return self._drive_cursor(cursor, operation)

    def _drive_cursor(self, cursor: Any, operation: Operation[T]) -> T:
        in_transaction = False
        try:
            step = next(operation)
            while True:
                try:
                    answer = self._perform(cursor, step, in_transaction)
                except self._dbapi.IntegrityError:
                    step = operation.throw(UniqueViolation())
                else:
                    in_transaction = step is Control.BEGIN or (in_transaction and step is not Control.ROLLBACK)
                    step = operation.send(answer)
        except StopIteration as done:
            if in_transaction:
                cursor.execute("COMMIT")
            result: T = done.value
            return result

    def _perform(self, cursor: Any, step: Step, in_transaction: bool) -> Result:
        if isinstance(step, ExternalCall):
            return Result((step.run(),), 0)
        if isinstance(step, Control):
            sql, parameters = (self._begin_sql if step is Control.BEGIN else "ROLLBACK"), ()
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

    def _execute_retrying(self, cursor: Any, sql: str, parameters: Any) -> None:
        # Only ever outside a transaction: a statement that met a lock has done nothing yet.
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
        # Statements are constants of their modules, so this cannot grow without bound.
        compiled = self._statements[statement] = CompiledStatement(statement, self._engine.dialect)
        return compiled


class RunPort:
    """A port whose methods run their definitions. Found as plain attributes from their first use on."""

    def __init__(self, definition: object, runner: Runner) -> None:
        self._definition = definition
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        define = getattr(self._definition, name)
        run, is_write = self._runner.run, getattr(define, "writes", False)

        def call(*arguments: object) -> Any:
            return run(define(*arguments), writes=is_write)

        call.writes = is_write  # type: ignore[attr-defined]  # read by the async twin to choose its thread
        setattr(self, name, call)
        return call

"""Run operations: on kept connections, in turn where the database has one writer, within a deadline."""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import BoundedSemaphore
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from keyturn.errors import BadRequest, StoreUnavailable
from keyturn.stores.sql.operation import Answer, Control, Operation, Step, T, Taken
from keyturn.stores.sql.turn import Turn


class Runner:
    """Runs operations for any number of threads over at most ``size`` connections.

    ``engine`` must be in autocommit mode and must not pool: connections are kept here, ready to use.
    ``deadline_seconds``: longest wait for a connection and for one's turn to write, together.
    """

    def __init__(self, engine: Engine, *, size: int, deadline_seconds: float, one_writer: bool) -> None:
        self._engine = engine
        self._patience_seconds = deadline_seconds / 2
        self._places = BoundedSemaphore(size)
        self._idle: deque[Connection] = deque()
        self._begin = "BEGIN IMMEDIATE" if one_writer else "BEGIN"
        self._turn = Turn() if one_writer else None

    def run(self, operation: Operation[T], *, writes: bool) -> T:
        """Drive ``operation`` to its end. Raises ``StoreUnavailable``, or ``BadRequest`` for text no store can hold."""
        try:
            with self._write_turn(writes), self._connection() as connection:
                return _Run(connection, self._begin).drive(operation)
        except UnicodeEncodeError:
            raise BadRequest("text with a lone surrogate") from None
        except SQLAlchemyError as error:
            # Neither the message nor the cause goes on: a database quotes the row, and the row holds secrets.
            raise StoreUnavailable(_reason(error)) from None

    def close(self) -> None:
        """Close the connections nobody is using."""
        while self._idle:
            self._idle.pop().close()

    def _write_turn(self, writes: bool) -> AbstractContextManager[None]:
        if self._turn is None or not writes:
            return nullcontext()
        return self._turn.take(self._patience_seconds)

    @contextmanager
    def _connection(self) -> Generator[Connection]:
        if not self._places.acquire(timeout=self._patience_seconds):
            raise StoreUnavailable("every connection is in use")
        try:
            connection = self._idle.pop() if self._idle else self._engine.connect()
            try:
                yield connection
            except BaseException as error:
                self._discard(connection, error)
                raise
            self._idle.append(connection)
        finally:
            self._places.release()

    def _discard(self, connection: Connection, error: BaseException) -> None:
        # Closing undoes whatever was open, also after an interrupt in the middle of a transaction.
        connection.invalidate()
        connection.close()
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            self.close()  # the server went away: so did every other connection


class _Run:
    """One operation on one connection."""

    def __init__(self, connection: Connection, begin: str) -> None:
        self._connection = connection
        self._begin = begin
        self._begun = False

    def drive(self, operation: Operation[T]) -> T:
        try:
            step = next(operation)
            while True:
                try:
                    answer = self._perform(step)
                except IntegrityError:
                    step = operation.throw(Taken())
                else:
                    step = operation.send(answer)
        except StopIteration as done:
            if self._begun:
                self._connection.exec_driver_sql("COMMIT")
            result: T = done.value
            return result

    def _perform(self, step: Step) -> Answer:
        if step is Control.BEGIN:
            self._connection.exec_driver_sql(self._begin)
            self._begun = True
        elif step is Control.ROLLBACK:
            self._connection.exec_driver_sql("ROLLBACK")
            self._begun = False
        else:
            result = self._connection.execute(step[0], step[1])
            return Answer(result.all(), 0) if result.returns_rows else Answer((), result.rowcount)
        return _DONE


_DONE = Answer((), 0)


def _reason(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None)
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return f"{type(cause or error).__name__} {name or ''}".strip()


class RunPort:
    """A port whose methods run their definitions. Found as plain attributes from their first use on."""

    def __init__(self, definition: object, runner: Runner) -> None:
        self._definition = definition
        self._runner = runner

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        define = getattr(self._definition, verb)
        run, writing = self._runner.run, getattr(define, "writes", False)

        def call(*arguments: object) -> Any:
            return run(define(*arguments), writes=writing)

        call.writes = writing  # type: ignore[attr-defined]  # read by the async twin to choose its thread
        setattr(self, verb, call)
        return call

"""Operations of a store: generators that yield statements and receive their results.

An operation is independent of connections, threads and ``await``, so it is written once for all drivers. A single
statement is atomic by itself. Several statements begin with ``yield BEGIN``; they are committed when the generator
returns, and rolled back when it raises or yields ``ROLLBACK``.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Executable

from keyturn.core.types import T


class Control(Enum):
    """Transaction control steps."""

    BEGIN = "begin"
    ROLLBACK = "rollback"


BEGIN, ROLLBACK = Control.BEGIN, Control.ROLLBACK


Row: TypeAlias = Sequence[Any]
"""A row as the driver returns it; the column types are those of the table."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a statement. ``rows``: rows returned. ``count``: number of rows changed."""

    rows: Sequence[Any]
    count: int


class UniqueViolation(Exception):
    """Thrown into an operation at the statement that violated a unique constraint; the statement had no effect."""


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """Call of an external system within an open transaction.

    An exception rolls the transaction back. A successful call is not undone if the commit fails. ``run`` and
    ``run_async`` do the same; their return value becomes the single row of the result.
    """

    run: Callable[[], object]
    run_async: Callable[[], Awaitable[object]]


Statement = tuple[Executable, Mapping[str, object]]
SqlStep = Statement | Control | ExternalCall
SqlOperation = Generator[SqlStep, Result, T]

Batches = Generator[tuple[SqlOperation[Any], bool], Any, T]
"""Split a long operation into small transactions: other writers wait for one of them at most.

Yields pairs of an operation and a flag, True if it writes; receives the operation's result. Each operation gets the
full deadline.
"""

_Definition = TypeVar("_Definition", bound=Callable[..., SqlOperation[Any]])
_BatchedDefinition = TypeVar("_BatchedDefinition", bound=Callable[..., Batches[Any]])


def writes(definition: _Definition) -> _Definition:
    """Mark an operation that writes; on SQLite it acquires the write lock."""
    definition.writes = True  # type: ignore[attr-defined]  # read by the runner when it binds the definition
    return definition


def in_batches(definition: _BatchedDefinition) -> _BatchedDefinition:
    """Mark a method that returns ``Batches``."""
    definition.in_batches = True  # type: ignore[attr-defined]  # read by the runner when it binds the definition
    return definition


@dataclass(slots=True)
class Transaction:
    """State of the transaction of one operation. ``is_open``: a commit is due when the operation returns."""

    is_open: bool = False

    def follow(self, step: SqlStep) -> None:
        """Record that ``step`` was performed."""
        self.is_open = step is Control.BEGIN or (self.is_open and step is not Control.ROLLBACK)

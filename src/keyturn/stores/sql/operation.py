"""An operation of a store: a generator that yields statements and is sent their answers.

Written once, it knows nothing of connections, threads or ``await``. A lone statement is atomic by itself; several
begin with ``yield BEGIN`` and are committed when the generator returns, undone when it raises or yields ``ROLLBACK``.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Executable


class Control(Enum):
    """Steps that are not statements."""

    BEGIN = "begin"
    ROLLBACK = "rollback"


BEGIN, ROLLBACK = Control.BEGIN, Control.ROLLBACK


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a statement that returns any; ``count``: how many rows it changed."""

    rows: Sequence[Any]
    count: int


class UniqueViolation(Exception):
    """Thrown into an operation at the statement that broke a unique constraint. Nothing was done."""


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """Something done elsewhere while the transaction is open: raising, it undoes the transaction; done, it stays done
    even if the commit fails. ``now`` and ``awaited`` do the same; the answer is the one row."""

    run: Callable[[], object]
    run_async: Callable[[], Awaitable[object]]


T = TypeVar("T")
Statement = tuple[Executable, Mapping[str, object]]
Step = Statement | Control | ExternalCall
Operation = Generator[Step, Result, T]

_Definition = TypeVar("_Definition", bound=Callable[..., Operation[Any]])


def writes(definition: _Definition) -> _Definition:
    """Mark an operation that changes something; on SQLite it waits for its turn."""
    definition.writes = True  # type: ignore[attr-defined]  # read by the runner when it binds the definition
    return definition

"""Statements compiled once per database and executed by the driver.

SQLAlchemy generates the SQL. The driver's own cursor executes it, because SQLAlchemy's result handling costs more than
the statement itself on SQLite.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TypeAlias, cast

from sqlalchemy import ClauseElement, Dialect, Executable

from keyturn.errors import BadRequest

Parameters: TypeAlias = dict[str, object] | tuple[object, ...]
"""Named or positional parameters of a statement."""


class CompiledStatement:
    """Compiled statement: ``sql`` in the driver's dialect; ``bind`` returns positional or named parameters for it."""

    __slots__ = ("_constants", "_to_positional", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        # Every Executable in use is a ClauseElement, which has compile().
        compiled = cast(ClauseElement, statement).compile(dialect=dialect)
        self.sql = str(compiled)
        self._constants: dict[str, object] = dict(cast(Mapping[str, object], compiled.params))
        names = cast("list[str] | None", getattr(compiled, "positiontup", None))
        self._to_positional = None if names is None else _positional_getter(tuple(names))

    def bind(self, parameters: Mapping[str, object]) -> Parameters:
        """Merge ``parameters`` with the statement's constants. Raises ``BadRequest`` for text with U+0000."""
        for value in parameters.values():
            # PostgreSQL cannot store U+0000, and all stores must accept the same values.
            if isinstance(value, str) and "\0" in value:
                raise BadRequest("text contains U+0000, which cannot be stored")
        values = {**self._constants, **parameters}
        return values if self._to_positional is None else self._to_positional(values)


def _positional_getter(names: tuple[str, ...]) -> Callable[[dict[str, object]], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)

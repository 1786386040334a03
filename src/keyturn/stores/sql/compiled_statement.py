"""Phrase: a statement compiled once for one database, ready for its driver.

SQLAlchemy writes the SQL; running it through the driver's own cursor saves what its result machinery costs, which on
SQLite is more than the statement itself.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import ClauseElement, Dialect, Executable

from keyturn.errors import BadRequest


class CompiledStatement:
    """``sql`` as the driver takes it; ``bind`` puts parameters in its shape, positional or named."""

    __slots__ = ("_constants", "_to_positional", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        # An Executable of ours is always a ClauseElement, which is what can be compiled.
        compiled = cast(ClauseElement, statement).compile(dialect=dialect)
        self.sql = str(compiled)
        self._constants: dict[str, object] = dict(cast(Mapping[str, object], compiled.params))
        names = cast("list[str] | None", getattr(compiled, "positiontup", None))
        self._to_positional = None if names is None else _positional_getter(tuple(names))

    def bind(self, parameters: Mapping[str, object]) -> Any:
        """Parameters over the ones written into the statement. Raises ``BadRequest`` for text with U+0000."""
        for value in parameters.values():
            # PostgreSQL has no such text, and a truth that depends on the store would be none.
            if isinstance(value, str) and "\0" in value:
                raise BadRequest("text with U+0000")
        values = {**self._constants, **parameters}
        return values if self._to_positional is None else self._to_positional(values)


def _positional_getter(names: tuple[str, ...]) -> Callable[[dict[str, object]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)

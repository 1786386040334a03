"""Phrase: a statement compiled once for one database, ready for its driver.

SQLAlchemy writes the SQL; running it through the driver's own cursor saves what its result machinery costs, which on
SQLite is more than the statement itself.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Executable


class Phrase:
    """``sql`` as the driver takes it; ``bind`` puts parameters in its shape, positional or named."""

    __slots__ = ("_fixed", "_pick", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # every Executable of ours is a ClauseElement
        self.sql = str(compiled)
        self._fixed: dict[str, object] = dict(compiled.params)
        self._pick = _picker(tuple(compiled.positiontup)) if compiled.positional else None

    def bind(self, parameters: Mapping[str, object]) -> Any:
        """Parameters over the ones written into the statement."""
        named = {**self._fixed, **parameters}
        return named if self._pick is None else self._pick(named)


def _picker(names: tuple[str, ...]) -> Callable[[dict[str, object]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda named: tuple(named[name] for name in names)

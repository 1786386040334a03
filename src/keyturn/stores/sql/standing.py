"""Standing: whether a database is to be served from at all."""

from typing import Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.tables import counters

COPYING: Final = "copying"
"""Counter: number of the log of the database this one is being filled from. Not to be served before that is done."""

MOVED: Final = "moved"
"""Counter: everything was copied elsewhere. Whoever wrote here would write what nobody will ever read."""


def standing(connection: Connection) -> dict[str, int]:
    """Every counter, by name."""
    return {name: value for name, value in connection.execute(select(counters.c.name, counters.c.value))}


def refuse_to_serve(engine: Engine) -> None:
    """Raises ``ConfigurationError`` for a database that is half of a move, ``StoreUnavailable`` when it is away."""
    try:
        with engine.connect() as connection:
            found = standing(connection)
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from None
    if COPYING in found:
        raise ConfigurationError("store: a copy into this database is not finished; run `keyturn db copy` again")
    if MOVED in found:
        raise ConfigurationError("store: this database was moved with `keyturn db copy`; serve from where it went")

"""Standing: whether a database is to be served from at all."""

from typing import Final

from sqlalchemy import Connection, Engine, Executable, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.tables import counters

COPYING: Final = "copying"
"""Counter: number of the log of the database this one is being filled from. Not to be served before that is done."""

MOVED: Final = "moved"
"""Counter: everything was copied elsewhere. Whoever wrote here would write what nobody will ever read."""


APART: Final = "apart"
"""Counter: the sessions of this database are in a Redis. Who looked for them here, or revoked them here, would be wrong
and say that it is done."""


def standing(connection: Connection) -> dict[str, int]:
    """Every counter, by name."""
    return {name: value for name, value in connection.execute(select(counters.c.name, counters.c.value))}


def refuse_to_serve(engine: Engine, *, apart: bool) -> None:
    """``apart``: sessions are to be elsewhere, which is noted. Raises ``ConfigurationError`` for half of a move, and
    where sessions are not where they are looked for; ``StoreUnavailable`` when the database is away."""
    try:
        with engine.connect() as connection:
            found = standing(connection)
            if apart and APART not in found:
                connection.execute(_note(connection.dialect.name), {"name": APART, "value": 1})
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from None
    if COPYING in found:
        raise ConfigurationError("store: a copy into this database is not finished; run `keyturn db copy` again")
    if MOVED in found:
        raise ConfigurationError("store: this database was moved with `keyturn db copy`; serve from where it went")
    if APART in found and not apart:
        raise ConfigurationError(
            "sessions: those of this database are kept in a Redis; set KEYTURN_SESSIONS as its servers do, "
            "or bring them back here with `keyturn db sessions-here`, which ends them all"
        )


def bring_back(engine: Engine) -> None:
    """Sessions are here again from now on."""
    with engine.connect() as connection:
        connection.execute(delete(counters).where(counters.c.name == APART))


def _note(dialect: str) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert  # of several at once, one does
    return insert(counters).on_conflict_do_nothing()

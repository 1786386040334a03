"""Standing: whether a database is to be served from at all."""

import secrets
from typing import Final

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.ports import LOG_BITS
from keyturn.stores.sql.tables import counters

COPYING: Final = "copying"
"""Counter: number of the log of the database this one is being filled from. Not to be served before that is done."""

MOVED: Final = "moved"
"""Counter: everything was copied elsewhere. Whoever wrote here would write what nobody will ever read."""

SESSIONS_IN_REDIS: Final = "apart"
"""Counter: the sessions of this database are in a Redis. Who looked for them here, or revoked them here, would be wrong
and say that it is done. Its value is the number which that Redis keeps as well, or ``UNBOUND``."""

UNBOUND: Final = 0


def read_markers(connection: Connection) -> dict[str, int]:
    """Every counter, by name."""
    return {name: value for name, value in connection.execute(select(counters.c.name, counters.c.value))}


def check_servable(engine: Engine, *, sessions_in_redis: bool) -> None:
    """``apart``: sessions are to be elsewhere, which is noted. Raises ``ConfigurationError`` for half of a move, and
    where sessions are not where they are looked for; ``StoreUnavailable`` when the database is away."""
    try:
        with engine.connect() as connection:
            markers = read_markers(connection)
            if sessions_in_redis:
                _write_marker(connection)
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from None
    if COPYING in markers:
        raise ConfigurationError("store: a copy into this database is not finished; run `keyturn db copy` again")
    if MOVED in markers:
        raise ConfigurationError("store: this database was moved with `keyturn db copy`; serve from where it went")
    if SESSIONS_IN_REDIS in markers and not sessions_in_redis:
        raise ConfigurationError(
            "session_store: those of this database are kept in a Redis; set KEYTURN_SESSION_STORE as its servers do, "
            "or bring them back here with `keyturn db use-sql-sessions`, which ends them all"
        )


def bind(engine: Engine) -> tuple[int, bool]:
    """The number of the Redis with the sessions of this database, drawn when it has none; and whether it had one.
    Raises ``StoreUnavailable``."""
    is_redis_marker = counters.c.name == SESSIONS_IN_REDIS
    redis_id = 1 + secrets.randbits(LOG_BITS)
    try:
        with engine.connect() as connection:
            _write_marker(connection)
            updated = connection.execute(
                update(counters).where(is_redis_marker, counters.c.value == UNBOUND).values(value=redis_id)
            )
            number = connection.execute(select(counters.c.value).where(is_redis_marker)).scalar_one()
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from None
    return number, not updated.rowcount


def clear_redis_marker(engine: Engine) -> None:
    """Sessions are here again from now on."""
    with engine.connect() as connection:
        connection.execute(delete(counters).where(counters.c.name == SESSIONS_IN_REDIS))


def _write_marker(connection: Connection) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Of several at once, one does.
    connection.execute(insert(counters).on_conflict_do_nothing(), {"name": SESSIONS_IN_REDIS, "value": UNBOUND})

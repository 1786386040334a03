"""Markers in the counters table that keep a server from using the wrong database."""

import secrets
from typing import Final

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.ports import LOG_BITS
from keyturn.stores.sql.tables import counters

COPYING: Final = "copying"
"""Counter: log id of the database that is being copied into this one. Do not serve before the copy is complete."""

MOVED: Final = "moved"
"""Counter: this database was moved to another one. Writes to it would be lost."""

SESSIONS_IN_REDIS: Final = "apart"
"""Counter: the sessions of this database are in Redis, so a revocation in SQL would report success without effect.

Its value is the id stored in that Redis, or ``UNBOUND``.
"""

UNBOUND: Final = 0


def read_markers(connection: Connection) -> dict[str, int]:
    """Return every counter by name."""
    return {name: value for name, value in connection.execute(select(counters.c.name, counters.c.value))}


def check_servable(engine: Engine, *, sessions_in_redis: bool) -> None:
    """Check that this database may be served from.

    ``sessions_in_redis``: True if sessions are kept in Redis; the database is then marked so.
    Raises ``ConfigurationError`` for an unfinished or completed move and for sessions that are kept elsewhere,
    ``StoreUnavailable`` if the database cannot be reached.
    """
    try:
        with engine.connect() as connection:
            markers = read_markers(connection)
            if sessions_in_redis:
                _write_marker(connection)
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database cannot be reached: {type(error).__name__}") from None
    if COPYING in markers:
        raise ConfigurationError("store: the copy into this database is incomplete; run `keyturn db copy` again")
    if MOVED in markers:
        raise ConfigurationError(
            "store: this database was moved with `keyturn db copy`; set KEYTURN_STORE to the target of the copy"
        )
    if SESSIONS_IN_REDIS in markers and not sessions_in_redis:
        raise ConfigurationError(
            "session_store: the sessions of this database are in Redis; set KEYTURN_SESSION_STORE as on its other "
            "servers, or run `keyturn db use-sql-sessions`, which revokes all sessions"
        )


def bind(engine: Engine) -> tuple[int, bool]:
    """Return the id of the Redis with this database's sessions, and True if it existed already.

    A missing id is drawn at random. Raises ``StoreUnavailable``.
    """
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
        raise StoreUnavailable(f"the database cannot be reached: {type(error).__name__}") from None
    return number, not updated.rowcount


def clear_redis_marker(engine: Engine) -> None:
    """Remove the marker: sessions are kept in SQL again."""
    with engine.connect() as connection:
        connection.execute(delete(counters).where(counters.c.name == SESSIONS_IN_REDIS))


def _write_marker(connection: Connection) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Of several concurrent inserts, one succeeds.
    connection.execute(insert(counters).on_conflict_do_nothing(), {"name": SESSIONS_IN_REDIS, "value": UNBOUND})

"""Markers in the counters table that keep a server from using the wrong database."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select, update
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
"""Of a version before, which marked the database before it had reached a Redis."""

_RESERVED: Final = "reserved:"
"""Prefix of counters: an id that is written to a Redis next. Until ``bind``, sessions are still in this database.

A start that is killed in between leaves it behind. It lets this database, and no other, use that Redis later.
"""


def read_markers(connection: Connection) -> dict[str, int]:
    """Return every counter by name."""
    return {name: value for name, value in connection.execute(select(counters.c.name, counters.c.value))}


def check_servable(engine: Engine, *, sessions_in_redis: bool) -> None:
    """Check that this database may be served from.

    Changes nothing. ``sessions_in_redis``: True if sessions are kept in Redis.
    Raises ``ConfigurationError`` for an unfinished or completed move and for sessions that are kept elsewhere,
    ``StoreUnavailable`` if the database cannot be reached.
    """
    with _connect(engine) as connection:
        markers = read_markers(connection)
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


def bound_redis(engine: Engine) -> int | None:
    """Return the id of the Redis with this database's sessions, ``UNBOUND``, or None: they are in the database.

    Raises ``StoreUnavailable``.
    """
    with _connect(engine) as connection:
        return read_markers(connection).get(SESSIONS_IN_REDIS)


def reserve_redis(engine: Engine) -> int:
    """Draw an id for a Redis at random and record that it is ours. Raises ``StoreUnavailable``."""
    redis_id = 1 + secrets.randbits(LOG_BITS)
    with _connect(engine) as connection:
        connection.execute(insert(counters), {"name": f"{_RESERVED}{redis_id}", "value": redis_id})
    return redis_id


def is_reserved(engine: Engine, redis_id: int) -> bool:
    """Return True if this id was reserved for this database or is bound to it. Raises ``StoreUnavailable``."""
    with _connect(engine) as connection:
        markers = read_markers(connection)
    return f"{_RESERVED}{redis_id}" in markers or markers.get(SESSIONS_IN_REDIS) == redis_id


def bind(engine: Engine, redis_id: int) -> int:
    """Record that sessions are in the Redis with this id, unless they are in another. Return the id that is bound.

    Ends every reservation. From here on, sessions in the database are void. Raises ``StoreUnavailable``.
    """
    is_redis_marker = counters.c.name == SESSIONS_IN_REDIS
    with _connect(engine) as connection:
        _insert_if_absent(connection, SESSIONS_IN_REDIS, redis_id)
        connection.execute(update(counters).where(is_redis_marker, counters.c.value == UNBOUND).values(value=redis_id))
        bound: int = connection.execute(select(counters.c.value).where(is_redis_marker)).scalar_one()
        connection.execute(delete(counters).where(counters.c.name.startswith(_RESERVED)))
    return bound


def clear_redis_marker(engine: Engine) -> None:
    """Remove the marker: sessions are kept in SQL again."""
    with engine.connect() as connection:
        connection.execute(delete(counters).where(counters.c.name == SESSIONS_IN_REDIS))


@contextmanager
def _connect(engine: Engine) -> Generator[Connection, None, None]:
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database cannot be reached: {type(error).__name__}") from None


def _insert_if_absent(connection: Connection, name: str, value: int) -> None:
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Of several concurrent inserts, one succeeds.
    connection.execute(upsert(counters).on_conflict_do_nothing(), {"name": name, "value": value})

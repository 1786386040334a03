"""Open a store by its URL. A database's packages are imported only if its URL is opened."""

from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from keyturn.errors import ConfigurationError
from keyturn.stores.memory import AsyncMemoryStore, MemoryStore

if TYPE_CHECKING:
    from keyturn.stores.redis.store import AsyncRedisStore, RedisStore
    from keyturn.stores.sql.store import AsyncSqlStore, SqlStore

MEMORY = "memory:"

MAX_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class RedisSessions:
    """Settings for sessions and the revocation log in the Redis at ``url``.

    ``replicas``: replicas that must confirm a write before it is acknowledged. ``quarantine_seconds``: time after a
    failover during which Redis is not used, because it may have lost revocations.
    """

    url: str = field(repr=False)
    replicas: int = 0
    quarantine_seconds: float = 10.0


def open_store(
    url: str, connections: int = MAX_CONNECTIONS, redis_sessions: RedisSessions | None = None
) -> "MemoryStore | SqlStore | RedisStore":
    """Open the store at ``url`` and create or upgrade its schema.

    ``url``: ``memory:``, ``sqlite:////var/lib/keyturn/keyturn.db`` or ``postgresql://...``.
    ``connections``: largest number of database connections; a quarter as many are added for login throttles.
    ``redis_sessions``: keep sessions in this Redis instead of the database.
    Raises ``ConfigurationError`` for an unusable URL, ``StoreUnavailable`` if the database cannot be reached.
    """
    if redis_sessions is not None:
        return _open_with_redis(url, connections, redis_sessions)
    if url == MEMORY:
        return MemoryStore()
    from keyturn.stores.sql.store import SqlStore

    return SqlStore(url, size=connections)


def open_async_store(
    url: str, connections: int = MAX_CONNECTIONS, redis_sessions: RedisSessions | None = None
) -> "AsyncMemoryStore | AsyncSqlStore | AsyncRedisStore":
    """Open an async store; see ``open_store``. Opening blocks on the database: call it before serving requests."""
    if redis_sessions is not None:
        return _open_with_redis_async(url, connections, redis_sessions)
    if url == MEMORY:
        return AsyncMemoryStore()
    from keyturn.stores.sql.store import AsyncSqlStore

    return AsyncSqlStore(url, size=connections)


def require_store(url: str) -> None:
    """Check that the store at ``url`` exists. Raises ``ConfigurationError`` if opening it would create it."""
    if url != MEMORY:
        from keyturn.stores.sql.database import require_database

        require_database(url)


def bind_redis(url: str, redis_sessions: RedisSessions) -> None:
    """Bind the emptied Redis of ``redis_sessions`` to the database at ``url`` as its session store.

    Raises as ``open_store``.
    """
    _check_redis_sessions(url)
    from keyturn.stores.redis.address import read_redis_address
    from keyturn.stores.redis.binding import rebind as rebind_redis
    from keyturn.stores.redis.runner import RedisRunner
    from keyturn.stores.sql.store import SqlStore

    with (
        closing(SqlStore(url, serving=False)) as database,
        closing(
            RedisRunner(read_redis_address(redis_sessions.url, "session_store"), replicas=redis_sessions.replicas)
        ) as redis,
    ):
        rebind_redis(redis, database.engine)


def _open_with_redis(url: str, connections: int, redis_sessions: RedisSessions) -> "RedisStore":
    _check_redis_sessions(url)
    from keyturn.stores.redis.store import RedisStore

    return RedisStore(
        url,
        redis_sessions.url,
        size=connections,
        replicas=redis_sessions.replicas,
        quarantine_seconds=redis_sessions.quarantine_seconds,
    )


def _open_with_redis_async(url: str, connections: int, redis_sessions: RedisSessions) -> "AsyncRedisStore":
    _check_redis_sessions(url)
    from keyturn.stores.redis.store import AsyncRedisStore

    return AsyncRedisStore(
        url,
        redis_sessions.url,
        size=connections,
        replicas=redis_sessions.replicas,
        quarantine_seconds=redis_sessions.quarantine_seconds,
    )


def _check_redis_sessions(url: str) -> None:
    if url == MEMORY:
        raise ConfigurationError(
            "session_store: sessions in Redis need a database for the accounts; "
            "set KEYTURN_STORE to a SQLite or PostgreSQL URL"
        )
    if find_spec("redis") is None:
        raise ConfigurationError(
            "session_store: the package redis is not installed; in a clone of Keyturn: pip install '.[redis]'"
        )

"""Binding of a Redis to the database whose sessions it holds, checked once at start."""

import logging
import time
from typing import Final

from sqlalchemy import Engine

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.redis import scripts
from keyturn.stores.redis.connect import AccessDenied
from keyturn.stores.redis.keys import ALL_PARTITIONS, COUNTS
from keyturn.stores.redis.operation import RedisCall, RedisOperation
from keyturn.stores.redis.runner import RedisRunner
from keyturn.stores.sql.markers import bind, bound_redis, is_reserved, reserve_redis

RESTORE_WAIT_SECONDS: Final = 1.0
"""Wait for a running server that writes the id again to a Redis that was emptied."""

_logger = logging.getLogger("keyturn.store")


def bind_database(runner: RedisRunner, database: Engine) -> int | None:
    """Return the id that binds Redis and database to each other, or None if Redis cannot be reached, which is logged.

    The first start binds them, in an order that a kill may interrupt anywhere: everything that can be refused is
    checked, the id is reserved in the database, written to Redis, and bound in the database. Only then are sessions in
    the database void, and only then may a server use the Redis.
    Raises ``ConfigurationError`` for a Redis that denies access, evicts keys, or belongs to another database, and for
    an empty Redis although this database's sessions are in one: it is the wrong Redis, or it lost all revocations.
    Raises ``StoreUnavailable`` for a Redis that cannot be reached or written to at the first start.
    """
    try:
        _check_settings(runner)
        return _bind(runner, database)
    except AccessDenied as error:
        raise ConfigurationError(f"session_store: Redis denied access: {error.detail}") from None
    except StoreUnavailable as error:
        if bound_redis(database) is None:
            raise StoreUnavailable(
                f"session_store: the first start needs a Redis primary with its replicas that can be written to: "
                f"{error.detail}. Sessions are still in the database"
            ) from None
        _logger.warning("the Redis session store cannot be reached: %s", error.detail)
        return None


def rebind(runner: RedisRunner, database: Engine) -> None:
    """Bind an emptied Redis to ``database`` again. Raises ``StoreUnavailable``, ``ConfigurationError``."""
    _check_settings(runner)
    number = bound_redis(database)
    if number:
        runner.run(_write_identity(number))
    else:
        _bind_first(runner, database)


def _check_settings(runner: RedisRunner) -> None:
    for memory in runner.info("memory"):
        if memory.get("maxmemory") and (policy := memory.get("maxmemory_policy", "noeviction")) != "noeviction":
            # An evicted generation, not-before or log entry is a lost revocation (P1).
            raise ConfigurationError(
                f"session_store: this Redis evicts keys (maxmemory-policy {policy}): it would lose "
                "revocations and sessions; set maxmemory-policy to noeviction"
            )
    if not all(each.get("aof_enabled") for each in runner.info("persistence")):
        _logger.warning(
            "the Redis session store has no append-only file: a restart loses all sessions; set appendonly yes"
        )


def _bind(runner: RedisRunner, database: Engine) -> int:
    number = bound_redis(database)
    if not number:
        return _bind_first(runner, database)
    stored = runner.run(_read_identity())
    if stored is None:
        time.sleep(RESTORE_WAIT_SECONDS)
        stored = runner.run(_read_identity())
    if stored is None:
        raise ConfigurationError(
            "session_store: this Redis is empty, but the sessions of this database are in Redis: set "
            "KEYTURN_SESSION_STORE as on the other servers; or, if Redis lost everything, "
            "run `keyturn db reset-redis-sessions`"
        )
    if stored != number:
        raise _belongs_to_another()
    runner.run(_write_identity(number))
    return number


def _bind_first(runner: RedisRunner, database: Engine) -> int:
    runner.run(_probe())
    stored = runner.run(_read_identity())
    if stored is None:
        runner.run(_write_identity(reserve_redis(database)))
        stored = runner.run(_read_identity())
    if stored is None or not is_reserved(database, stored) or bind(database, stored) != stored:
        raise _belongs_to_another()
    return stored


def _belongs_to_another() -> ConfigurationError:
    return ConfigurationError(
        "session_store: this Redis has the sessions of another database: set KEYTURN_SESSION_STORE "
        "as on the other servers, or use a Redis (or a database of it, as "
        "in redis://host/1) that no other service uses"
    )


def _probe() -> RedisOperation[None]:
    """Write to every partition and delete it again, to learn what a replica, a full Redis or an ACL would refuse."""
    # The first answer is checked alone: of many, a denied script would be asked for again one by one.
    yield RedisCall(scripts.PROBE, (COUNTS + b"?",), durable=True)
    yield [RedisCall(scripts.PROBE, (each.marks + b"?",), durable=True) for each in ALL_PARTITIONS]


def _read_identity() -> RedisOperation[int | None]:
    value: bytes | None = yield RedisCall("HGET", (COUNTS,), (b"d",))
    return None if value is None else int(value)


def _write_identity(number: int) -> RedisOperation[None]:
    yield RedisCall("HSETNX", (COUNTS,), (b"d", number), durable=True)

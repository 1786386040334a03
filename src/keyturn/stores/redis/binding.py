"""Binding of a Redis to the database whose sessions it holds, checked once at start."""

import logging
import time
from typing import Final

from sqlalchemy import Engine

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.redis.connect import AccessDenied
from keyturn.stores.redis.keys import COUNTS
from keyturn.stores.redis.operation import Call, Operation
from keyturn.stores.redis.runner import RedisRunner
from keyturn.stores.sql.markers import bind

PEER_WAIT_SECONDS: Final = 1.0
"""Wait for another process that has just drawn the id in the database and has yet to write it to Redis."""

_logger = logging.getLogger("keyturn.store")


def bind_database(runner: RedisRunner, database: Engine) -> int | None:
    """Return the id that binds Redis and database to each other, or None if Redis cannot be reached, which is logged.

    Raises ``ConfigurationError`` for a Redis that denies access, evicts keys, or belongs to another database, and for
    an empty Redis although this database's sessions are in one: it is the wrong Redis, or it lost all revocations.
    """
    try:
        _check_settings(runner)
        return _bind(runner, database)
    except AccessDenied as error:
        raise ConfigurationError(f"session_store: Redis denied access: {error.detail}") from None
    except StoreUnavailable as error:
        _logger.warning("the Redis session store cannot be reached: %s", error.detail)
        return None


def rebind(runner: RedisRunner, number: int) -> None:
    """Write the id ``number`` to this Redis, unless it has one already. Raises ``StoreUnavailable``."""
    runner.run(_write_identity(number))


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
    stored = runner.run(_read_identity())
    number, is_bound = bind(database)
    if stored is None and is_bound:
        time.sleep(PEER_WAIT_SECONDS)
        stored = runner.run(_read_identity())
    if stored is None and is_bound:
        raise ConfigurationError(
            "session_store: this Redis is empty, but the sessions of this database are in Redis: set "
            "KEYTURN_SESSION_STORE as on the other servers; or, if Redis lost everything, "
            "run `keyturn db reset-redis-sessions`"
        )
    if stored not in (None, number):
        raise ConfigurationError(
            "session_store: this Redis has the sessions of another database: set KEYTURN_SESSION_STORE "
            "as on the other servers, or use a Redis (or a database of it, as "
            "in redis://host/1) that no other service uses"
        )
    rebind(runner, number)
    return number


def _read_identity() -> Operation[int | None]:
    value: bytes | None = yield Call("HGET", (COUNTS,), (b"d",))
    return None if value is None else int(value)


def _write_identity(number: int) -> Operation[None]:
    yield Call("HSETNX", (COUNTS,), (b"d", number))

"""Admission: whether a Redis may hold the sessions of this database. Asked once, before anything is served."""

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
"""For another process, which has just drawn the number in the database, to write it in Redis as well."""

_logger = logging.getLogger("keyturn.store")


def bind_database(runner: RedisRunner, database: Engine) -> int | None:
    """The number that binds Redis and database to each other; ``None`` while Redis is away, which is logged.

    Raises ``ConfigurationError`` for a Redis that refuses us, one that evicts, one that belongs to another database,
    and one that holds nothing although the sessions of this database are in one: either it is the wrong one, or it
    lost everything, revocations among it.
    """
    try:
        _check_settings(runner)
        return _bind(runner, database)
    except AccessDenied as error:
        raise ConfigurationError(f"session_store: Redis does not let us in: {error.detail}") from None
    except StoreUnavailable as error:
        _logger.warning("the Redis with the sessions cannot be asked: %s", error.detail)
        return None


def rebind(runner: RedisRunner, number: int) -> None:
    """This Redis has that number from now on, unless it has another already. Raises ``StoreUnavailable``."""
    runner.run(_write_identity(number))


def _check_settings(runner: RedisRunner) -> None:
    for memory in runner.info("memory"):
        if memory.get("maxmemory") and (policy := memory.get("maxmemory_policy", "noeviction")) != "noeviction":
            # Evicted, a mark or an entry of the log is a forgotten revocation (P1).
            raise ConfigurationError(
                f"session_store: this Redis evicts what is in use (maxmemory-policy {policy}): it would forget "
                "revocations and log people out; set it to noeviction"
            )
    if not all(each.get("aof_enabled") for each in runner.info("persistence")):
        _logger.warning("the Redis with the sessions writes no append-only file: a restart of it loses them")


def _bind(runner: RedisRunner, database: Engine) -> int:
    stored = runner.run(_read_identity())
    number, is_bound = bind(database)
    if stored is None and is_bound:
        time.sleep(PEER_WAIT_SECONDS)
        stored = runner.run(_read_identity())
    if stored is None and is_bound:
        raise ConfigurationError(
            "session_store: this Redis holds nothing, and the sessions of this database are in one: set "
            "KEYTURN_SESSION_STORE as its other servers do; or, if everything in it "
            "was lost, run `keyturn db reset-redis-sessions`"
        )
    if stored not in (None, number):
        raise ConfigurationError(
            "session_store: this Redis holds the sessions of another database: set KEYTURN_SESSION_STORE as "
            "the other servers of this one do, or name a Redis (or a database of it, as "
            "in redis://host/1) that no other service uses"
        )
    rebind(runner, number)
    return number


def _read_identity() -> Operation[int | None]:
    value: bytes | None = yield Call("HGET", (COUNTS,), (b"d",))
    return None if value is None else int(value)


def _write_identity(number: int) -> Operation[None]:
    yield Call("HSETNX", (COUNTS,), (b"d", number))

"""The optional Redis beside the store: a session cache shared by all processes, and a relay of the revocation log."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from keyturn.config.settings import Settings
from keyturn.core.issuer_config import IssuerConfig
from keyturn.errors import ConfigurationError
from keyturn.stores.open import MEMORY

if TYPE_CHECKING:
    from keyturn.stores.redis.relay import Relay

HEARTBEATS_PER_BOUND = 8
"""Heartbeats of the relay per staleness bound. A reader may need three of them to confirm that it is up to date."""


@dataclass(frozen=True, slots=True)
class RedisSidecar:
    """Redis cache and relay. ``cache``: a ``RedisCache``, or an ``AsyncRedisCache`` for an async issuer."""

    cache: Any
    relay: "Relay"

    @property
    def reachable(self) -> bool:
        """True if the last call of Redis succeeded. For information only."""
        return not (self.cache.breaker.is_open or self.relay.breaker.is_open)


def check_redis_cache(settings: Settings) -> None:
    """Raise ``ConfigurationError`` if the setting ``redis_cache`` cannot be used."""
    if find_spec("redis") is None:
        raise ConfigurationError(
            "redis_cache: the package redis is not installed; in a clone of Keyturn: pip install '.[redis]'"
        )
    if settings.store == MEMORY:
        raise ConfigurationError(
            "redis_cache requires a database as store, not memory:; set KEYTURN_STORE to a database"
        )
    from keyturn.stores.redis.address import read_redis_address

    read_redis_address(settings.redis_cache)


def open_redis_sidecar(
    settings: Settings, config: IssuerConfig, log: Any, is_async: bool, monotonic: Callable[[], float]
) -> RedisSidecar:
    """Build the cache and the relay, without connecting: an issuer also starts while Redis is down.

    ``log``: the synchronous revocation log.
    """
    from keyturn.stores.redis.address import read_redis_address
    from keyturn.stores.redis.cache import AsyncRedisCache, RedisCache
    from keyturn.stores.redis.relay import Relay

    address = read_redis_address(settings.redis_cache)
    make = AsyncRedisCache if is_async else RedisCache
    interval_seconds = config.profile.token.staleness_seconds / HEARTBEATS_PER_BOUND
    return RedisSidecar(
        make(address, config.secrets, monotonic), Relay(log, address, interval_seconds, monotonic=monotonic)
    )

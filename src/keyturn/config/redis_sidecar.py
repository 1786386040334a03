"""Shared: the Redis beside the store. A cache that all processes share, and a relay of the revocation log."""

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
"""Within the staleness bound. A reader needs up to three of them to be sure."""


@dataclass(frozen=True, slots=True)
class RedisSidecar:
    """``cache``: a ``RedisCache``, or an ``AsyncRedisCache`` where the issuer is awaited."""

    cache: Any
    relay: "Relay"

    @property
    def reachable(self) -> bool:
        """Whether Redis answered when it was last asked. Nothing depends on it."""
        return not (self.cache.breaker.is_open or self.relay.breaker.is_open)


def open_redis_sidecar(
    settings: Settings, realm: IssuerConfig, log: Any, awaited: bool, monotonic: Callable[[], float]
) -> RedisSidecar:
    """Nothing is asked of Redis yet: an issuer starts without it, too. ``log``: not awaited.

    Raises ``ConfigurationError`` for a URL that cannot be used.
    """
    if find_spec("redis") is None:
        raise ConfigurationError("redis_cache: redis is missing; in a clone of Keyturn: pip install '.[redis]'")
    if settings.store == MEMORY:
        raise ConfigurationError(
            "redis_cache: it stands beside a database, which all processes share; this store is memory"
        )
    from keyturn.stores.redis.address import read_address
    from keyturn.stores.redis.cache import AsyncRedisCache, RedisCache
    from keyturn.stores.redis.relay import Relay

    address = read_address(settings.redis_cache)
    make = AsyncRedisCache if awaited else RedisCache
    interval_seconds = realm.profile.token.staleness_seconds / HEARTBEATS_PER_BOUND
    return RedisSidecar(
        make(address, realm.secrets, monotonic), Relay(log, address, interval_seconds, monotonic=monotonic)
    )

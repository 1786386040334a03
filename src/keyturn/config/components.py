"""Components of an issuer, built from settings: configuration, ports, keys, session cache and store."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from keyturn.clock import boottime
from keyturn.config.issuer_config import build_issuer_config
from keyturn.config.redis_sidecar import RedisSidecar, open_redis_sidecar
from keyturn.config.settings import Settings
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError
from keyturn.passwords import Argon2Hasher, AsyncArgon2Hasher, NistPasswordRules
from keyturn.ports import Ports
from keyturn.signing import KeyRing, SigningKeyGenerator
from keyturn.stores.null_cache import NullSessionCache
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.tokens import KeyEncryptor, RolloverPolicy

if TYPE_CHECKING:
    from keyturn.stores.redis.quarantine import Quarantine

Clock = Callable[[], float]

_DEFAULTS = {each.name: each.default for each in msgspec.structs.fields(Settings)}


class SystemEntropy:
    """Random source of the operating system."""

    token_bytes = staticmethod(secrets.token_bytes)


@dataclass(frozen=True, slots=True)
class Components:
    """Components of an issuer.

    ``ports``, ``store``: for the flows of this issuer; async if the issuer is.
    ``sync_ports``, ``sync_store``: the same, always synchronous, for background threads.
    ``redis_cache``: the Redis beside the store, or None.
    ``clock``: wall time in seconds. ``monotonic``: clock for staleness only, in seconds.
    """

    settings: Settings
    config: IssuerConfig
    ports: Ports
    sync_ports: Ports
    keyring: KeyRing
    session_cache: LocalSessionCache
    redis_cache: RedisSidecar | None
    store: Any
    sync_store: Any
    hasher: Any
    rollover: RolloverPolicy
    clock: Clock
    monotonic: Clock

    @property
    def quarantine(self) -> "Quarantine | None":
        """Quarantine of the Redis session store; None if sessions are not in Redis."""
        return getattr(self.sync_store, "quarantine", None)

    def now(self) -> Instant:
        """Return the present time in whole seconds."""
        return Instant(int(self.clock()))


def build_components(
    settings: Settings, *, awaited: bool, clock: Clock = time.time, monotonic: Clock = boottime
) -> Components:
    """Open the store and build the components. ``awaited``: build async ports, for ``drive_async``.

    Raises ``ConfigurationError`` for unusable settings, ``StoreUnavailable`` if the store cannot be reached.
    """
    realm = build_issuer_config(settings)
    vault = KeyEncryptor(*realm.secrets.all)
    near = LocalSessionCache(realm.profile.token.staleness_seconds, monotonic)
    policy = _rollover(realm)
    ring = KeyRing(vault, policy.retired_seconds)
    store, plain_store = _stores(settings, awaited)
    hasher = _hasher(settings, awaited)
    rules = NistPasswordRules(realm.profile.password, service_names=_names(realm))
    fixed = _Fixed(SigningKeyGenerator(vault), rules, ring, near)
    shared = open_redis_sidecar(settings, realm, plain_store.log, awaited, monotonic) if settings.redis_cache else None
    ports = _ports(store, hasher, fixed, shared.cache if shared else NullSessionCache())
    plain = _ports(plain_store, hasher, fixed, NullSessionCache())
    return Components(
        settings, realm, ports, plain, ring, near, shared, store, plain_store, hasher, policy, clock, monotonic
    )


@dataclass(frozen=True, slots=True)
class _Fixed:
    key_generator: SigningKeyGenerator
    passwords: NistPasswordRules
    signer: KeyRing
    session_cache: LocalSessionCache


def _ports(store: Any, hasher: object, fixed: _Fixed, cache: object) -> Ports:
    return Ports(
        sessions=store.sessions,
        accounts=store.accounts,
        throttles=store.throttles,
        log=store.log,
        keys=store.keys,
        audit=store.audit,
        hasher=hasher,
        key_generator=fixed.key_generator,
        passwords=fixed.passwords,
        signer=fixed.signer,
        session_cache=fixed.session_cache,
        shared_cache=cache,
        entropy=SystemEntropy(),
    )


def _stores(settings: Settings, awaited: bool) -> tuple[Any, Any]:
    apart = _redis_sessions(settings)
    if not awaited:
        store = open_store(settings.store, settings.store_connections, apart)
        return store, store
    twin = open_async_store(settings.store, settings.store_connections, apart)
    return twin, twin.store


def _redis_sessions(settings: Settings) -> RedisSessions | None:
    if settings.session_store:
        return RedisSessions(settings.session_store, settings.redis_min_replicas, settings.quarantine_seconds)
    idle = [name for name in ("redis_min_replicas", "quarantine_seconds") if getattr(settings, name) != _DEFAULTS[name]]
    if idle:
        # Their presence suggests that the operator expects the sessions in Redis.
        named = " and ".join(f"KEYTURN_{name.upper()}" for name in idle)
        raise ConfigurationError(
            f"{named} without KEYTURN_SESSION_STORE: sessions are in the database, and it does nothing"
        )
    return None


def _rollover(realm: IssuerConfig) -> RolloverPolicy:
    token = realm.profile.token
    return RolloverPolicy(token.rollover_seconds, token.publish_seconds, token.retired_seconds)


def _names(realm: IssuerConfig) -> tuple[str, ...]:
    return ("keyturn", urlsplit(realm.issuer).hostname or "")


def _hasher(settings: Settings, awaited: bool) -> Argon2Hasher | AsyncArgon2Hasher:
    make = AsyncArgon2Hasher if awaited else Argon2Hasher
    return make(threads=settings.hash_threads or None, queue=settings.hash_queue)

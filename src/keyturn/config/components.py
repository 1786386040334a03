"""Components of an issuer, built from settings: configuration, ports, keys, session cache and store."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from keyturn.accounts.mark import Digests
from keyturn.accounts.open import OwnPorts, open_accounts, sample_hashes
from keyturn.accounts.session_cache import AccountCheckingCache, CheckedAccounts
from keyturn.clock import boottime
from keyturn.config.audit_logging import LoggingAuditLog
from keyturn.config.connection_source import IssuerConnectionSource
from keyturn.config.issuer_config import build_issuer_config
from keyturn.config.mark_file import MarkFile, check_restored
from keyturn.config.redis_sidecar import RedisSidecar, check_redis_cache, open_redis_sidecar
from keyturn.config.settings import Settings
from keyturn.config.store_clock import StoreClock
from keyturn.connections import ConnectionRegistry
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import Secrets
from keyturn.core.types import Instant, Subject
from keyturn.errors import ConfigurationError
from keyturn.grants import NoGrants
from keyturn.passwords import Argon2Hasher, AsyncArgon2Hasher, HashEncoding, HashTable, NistPasswordRules
from keyturn.ports import Grants, Ports, ports_of
from keyturn.signing import KeyRing, SigningKeyGenerator
from keyturn.stores.null_cache import NullSessionCache
from keyturn.stores.open import MEMORY, RedisSessions, open_async_store, open_store
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.tokens import KeyEncryptor, RolloverPolicy

if TYPE_CHECKING:
    from keyturn.stores.redis.quarantine import Quarantine

Clock = Callable[[], float]

_SAMPLED_ACCOUNTS = 1000
"""Accounts whose hashes show what an unknown account must cost."""

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
    ``monotonic``: clock for staleness only, in seconds. ``store_clock``: wall time, and the store's.
    ``mark_file``: position of the revocation log, kept outside the database.
    ``connections``: open connections, which end with their sessions.
    ``own_ports``: ports over the accounts of the application, or None.
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
    monotonic: Clock
    store_clock: StoreClock
    mark_file: MarkFile
    own_ports: OwnPorts | None = None
    connections: ConnectionRegistry = field(init=False)

    def __post_init__(self) -> None:
        bound_seconds = self.config.profile.token.staleness_seconds
        source = IssuerConnectionSource(
            self.session_cache, self.sync_ports, bound_seconds, self.monotonic, self.present, self.certain_now
        )
        object.__setattr__(self, "connections", ConnectionRegistry(source))

    @property
    def quarantine(self) -> "Quarantine | None":
        """Quarantine of the Redis session store; None if sessions are not in Redis."""
        return getattr(self.sync_store, "quarantine", None)

    @property
    def load_user(self) -> Callable[[Subject], Any]:
        """Function that returns the application's own object of a subject; it is awaited by an asynchronous issuer."""
        return self.own_accounts.load_user

    @property
    def own_accounts(self) -> OwnPorts:
        """Ports over the accounts of the application. Raises ``ConfigurationError`` if it keeps none."""
        if self.own_ports is None:
            raise ConfigurationError("this issuer keeps the accounts itself: pass accounts= to from_env to use yours")
        return self.own_ports

    def now(self) -> Instant:
        """Return the present time in whole seconds; the earlier one while two clocks disagree."""
        return self.store_clock.read().now

    @property
    def progress(self) -> Callable[[], float]:
        """Clock of the time since ``present``, in seconds."""
        return self.store_clock.progress

    def certain_now(self) -> float | None:
        """Return the present time in seconds, or None while the clocks of this machine and the store disagree."""
        return self.store_clock.certain_now()

    def present(self) -> tuple[Instant, IssuerConfig]:
        """Return the present time, and the configuration to use at it: ``config`` itself unless two clocks disagree."""
        return present(self.store_clock, self.config)


def present(store_clock: StoreClock, config: IssuerConfig) -> tuple[Instant, IssuerConfig]:
    """Return the present time, and ``config`` as it applies while two clocks agree or disagree."""
    certain = store_clock.certain_now()
    if certain is not None:
        return Instant(int(certain)), config
    reading = store_clock.read()
    return reading.now, config.under_doubt(reading.gap_seconds, reading.lead_seconds)


def check_settings(settings: Settings) -> IssuerConfig:
    """Build the issuer configuration without opening the store. Raises ``ConfigurationError`` for unusable settings."""
    _redis_sessions(settings)
    if settings.redis_cache:
        check_redis_cache(settings)
    return build_issuer_config(settings)


def build_components(
    settings: Settings,
    config: IssuerConfig | None = None,
    *,
    is_async: bool,
    clock: Clock = time.time,
    monotonic: Clock = boottime,
    grants: Grants | None = None,
    accounts: Any = None,
) -> Components:
    """Open the store and build the components. ``is_async``: build async ports, for ``drive_async``.

    ``config``: the result of ``check_settings``, if the caller has called it.
    ``grants``: decides which scopes and claims a login gets.
    ``accounts``: those of the application, as ``check_accounts`` returns them.
    Raises ``ConfigurationError`` for unusable settings, ``StoreUnavailable`` if the store cannot be reached.
    """
    config = config or check_settings(settings)
    key_encryptor = KeyEncryptor(*config.secrets.all)
    checked = None if accounts is None else CheckedAccounts(monotonic)
    session_cache = _session_cache(config.profile.token.staleness_seconds, monotonic, checked)
    policy = _rollover(config)
    keyring = KeyRing(key_encryptor, policy.retired_seconds)
    store, sync_store = _stores(settings, is_async)
    mark_file = MarkFile(settings.folder)
    if settings.store != MEMORY and not settings.session_store:
        check_restored(sync_store.log, mark_file, Instant(int(clock())))
    hasher = _hasher(settings, config, sync_store, accounts, is_async)
    rules = NistPasswordRules(config.profile.password, service_names=_service_names(config))
    redis_cache = (
        open_redis_sidecar(settings, config, sync_store.log, is_async, monotonic) if settings.redis_cache else None
    )
    sync_ports = Ports(
        **ports_of(sync_store),
        hasher=hasher,
        key_generator=SigningKeyGenerator(key_encryptor),
        passwords=rules,
        signer=keyring,
        session_cache=session_cache,
        shared_cache=NullSessionCache(),
        entropy=SystemEntropy(),
        grants=NoGrants(),
    )
    ports = replace(
        sync_ports,
        **ports_of(store),
        shared_cache=redis_cache.cache if redis_cache else NullSessionCache(),
        grants=grants or NoGrants(),
    )
    store_clock = StoreClock(
        clock,
        monotonic,
        config.profile.token.leeway_seconds,
        patience_seconds=config.profile.token.retired_seconds,
        is_checked=settings.store != MEMORY,
    )
    own_ports = None
    if checked is not None:
        own_ports = open_accounts(
            accounts,
            store,
            Digests(config.secrets),
            checked,
            session_cache.apply_local,
            partial(present, store_clock, config),
            is_async=is_async,
        )
        ports = replace(ports, accounts=own_ports.accounts, sessions=own_ports.sessions)
    return Components(
        settings,
        config,
        replace(ports, audit=LoggingAuditLog(ports.audit)),
        replace(sync_ports, audit=LoggingAuditLog(sync_ports.audit)),
        keyring,
        session_cache,
        redis_cache,
        store,
        sync_store,
        hasher,
        policy,
        monotonic,
        store_clock,
        mark_file,
        own_ports,
    )


def _session_cache(staleness_seconds: float, monotonic: Clock, checked: CheckedAccounts | None) -> LocalSessionCache:
    if checked is None:
        return LocalSessionCache(staleness_seconds, monotonic)
    return AccountCheckingCache(staleness_seconds, monotonic, checked=checked)


def _stores(settings: Settings, is_async: bool) -> tuple[Any, Any]:
    redis_sessions = _redis_sessions(settings)
    if not is_async:
        store = open_store(settings.store, settings.store_connections, redis_sessions)
        return store, store
    async_store = open_async_store(settings.store, settings.store_connections, redis_sessions)
    return async_store, async_store.store


def _redis_sessions(settings: Settings) -> RedisSessions | None:
    if settings.session_store:
        return RedisSessions(settings.session_store, settings.redis_min_replicas, settings.quarantine_seconds)
    unused = [
        name for name in ("redis_min_replicas", "quarantine_seconds") if getattr(settings, name) != _DEFAULTS[name]
    ]
    if unused:
        # Their presence suggests that the operator expects the sessions in Redis.
        names = " and ".join(f"KEYTURN_{name.upper()}" for name in unused)
        raise ConfigurationError(
            f"{names} without KEYTURN_SESSION_STORE has no effect: sessions are in the database; unset it, "
            "or set KEYTURN_SESSION_STORE"
        )
    return None


def _rollover(config: IssuerConfig) -> RolloverPolicy:
    token = config.profile.token
    return RolloverPolicy(token.rollover_seconds, token.publish_seconds, token.retired_seconds)


def _service_names(config: IssuerConfig) -> tuple[str, ...]:
    return ("keyturn", urlsplit(config.issuer).hostname or "")


def _hasher(settings: Settings, config: IssuerConfig, store: Any, accounts: Any, is_async: bool) -> Any:
    make = AsyncArgon2Hasher if is_async else Argon2Hasher
    key, limit = Secrets.derive(config.secrets.current, b"unknown-account"), _SAMPLED_ACCOUNTS
    if accounts is None:
        table = HashTable(samples=store.accounts.password_hashes(limit), key=key)
    else:
        encoding: HashEncoding = getattr(accounts, "password_encoding", None) or "phc"
        table = HashTable(encoding=encoding, samples=sample_hashes(accounts, limit), key=key)
    return make(threads=settings.hash_threads or None, queue=settings.hash_queue, table=table)

"""Issuer and AsyncIssuer: the API for Python programs. Both have the same methods; each runs one flow."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from threading import Lock
from typing import Concatenate, Self

from keyturn.clock import boottime
from keyturn.config.background import BackgroundTasks, load_first_keys, measure_clock
from keyturn.config.components import Clock, Components, build_components, check_settings
from keyturn.config.data_dir import complete_settings
from keyturn.config.forks import call_after_fork, keep_inherited
from keyturn.config.settings import Settings, read_settings
from keyturn.connections import AsyncConnection, Connection, ConnectionRegistry
from keyturn.connections.connection import OnEnd
from keyturn.core.principal import Principal
from keyturn.core.types import P, T
from keyturn.errors import ConfigurationError, Refusal, StoreUnavailable
from keyturn.flows import Flow, drive, drive_async
from keyturn.issuer_flows import IssuerFlows
from keyturn.stores.open import MEMORY

DEFAULT_ISSUER = "http://127.0.0.1:8000"
"""Default issuer URL: the default address of ``keyturn serve``, which therefore accepts the same tokens."""

_RETRY_SECONDS = 1.0
"""Time after a failed opening of the store in which a use is refused without another attempt."""

_logger = logging.getLogger("keyturn")


class _BaseIssuer:
    """Common part of both issuers: the components and their background tasks.

    The constructor checks the settings and opens nothing. The store is opened on first use, or by ``with``, once per
    process; a closed issuer opens again only by ``with``. A forked child opens its own store on first use.
    ``settings`` must be complete. ``config``: issuer configuration, built from them.
    ``background``: follow the feed and roll keys in threads. Without them every check queries the store, and keys
    roll only when an issuer is opened.
    ``current``: the components while the issuer is open in this process, else None.
    """

    _is_async: bool

    def __init__(
        self, settings: Settings, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True
    ) -> None:
        self.settings = settings
        self.config = check_settings(settings)
        self.current: Components | None = None
        self._clocks = {"clock": clock, "monotonic": monotonic}
        self._has_background = background
        self._background_tasks: BackgroundTasks | None = None
        self._is_closed = False
        self._entered = 0
        self._is_forked = False
        self._failure: Refusal | None = None
        self._retry_at = float("-inf")
        self._lock = Lock()
        call_after_fork(self._leave_to_parent)

    @classmethod
    def open(
        cls, settings: Settings, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True
    ) -> Self:
        """Build an issuer and open its store at once. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        issuer = cls(settings, clock=clock, monotonic=monotonic, background=background)
        issuer._open()
        return issuer

    @classmethod
    def from_env(
        cls, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True, **explicit: object
    ) -> Self:
        """Build an issuer from ``KEYTURN_...`` variables, ``keyturn.toml`` and ``explicit`` ``Settings``.

        A missing secret and service token are created in the data directory, with a warning in the log, unless the
        environment is ``production``. The store is opened on first use. Raises ``ConfigurationError``.
        """
        prepared = complete_settings(read_settings(None, **explicit), DEFAULT_ISSUER)
        for line in prepared.lines:
            _logger.warning("%s", line)
        return cls(prepared.settings, clock=clock, monotonic=monotonic, background=background)

    @property
    def parts(self) -> Components:
        """The components, which are opened if they are not. Blocks on the store then.

        Raises ``ConfigurationError``, ``StoreUnavailable``. Assign others to replace them.
        """
        return self.current or self._open()

    @parts.setter
    def parts(self, components: Components) -> None:
        self.current = components

    def _open(self) -> Components:
        with self._lock:
            if self.current is not None:
                return self.current
            self._check_openable()
            try:
                self.current = parts = self._start()
            except Refusal as error:
                self._record_failure(error)
                raise
            return parts

    def _record_failure(self, error: Refusal) -> None:
        self._failure, self._retry_at = error, time.monotonic() + _RETRY_SECONDS
        # Clients are told the status only.
        _logger.error("the issuer could not be opened: %s", error.detail)

    def _enter(self) -> None:
        """Open the issuer, if it is not. It is closed at the end of the last ``with`` block that entered it."""
        self._is_closed, self._retry_at = False, float("-inf")
        self._open()
        with self._lock:
            self._entered += 1

    def _leave(self) -> bool:
        """Leave a ``with`` block. Return True if it was the last one."""
        with self._lock:
            self._entered -= 1
            return self._entered <= 0

    def _check_openable(self) -> None:
        if self._is_closed:
            raise ConfigurationError("this issuer is closed; enter it again (`with`) to open it anew")
        if self._is_forked and self.settings.store == MEMORY:
            raise ConfigurationError("the store memory: was opened before a fork; set KEYTURN_STORE to a database")
        if self._failure is not None and time.monotonic() < self._retry_at:
            # Requests must not queue for a store that has just been away.
            kind = ConfigurationError if isinstance(self._failure, ConfigurationError) else StoreUnavailable
            raise kind(f"the next attempt to open the issuer follows within a second: {self._failure.detail}")

    def _start(self) -> Components:
        parts = build_components(self.settings, self.config, is_async=self._is_async, **self._clocks)
        try:
            drive(measure_clock(parts), parts.sync_ports)
            drive(load_first_keys(parts), parts.sync_ports)
            if self._has_background:
                self._background_tasks = BackgroundTasks(parts)
                self._background_tasks.start()
        except BaseException:
            self._stop(parts)
            parts.sync_store.close()
            raise
        return parts

    def _stop(self, parts: Components) -> None:
        if self._background_tasks is not None:
            self._background_tasks.close()
            self._background_tasks = None
        parts.connections.close()
        parts.hasher.close()

    def _require_feed(self) -> None:
        if not self._has_background:
            raise ConfigurationError("an issuer with background=False follows no feed, which tells when to close")

    def _leave_to_parent(self) -> None:
        """Forget what this forked child inherited: neither threads nor connections are its own."""
        keep_inherited(self.current, self._background_tasks)
        self._is_forked = self._is_forked or self.current is not None
        self.current = self._background_tasks = None
        self._lock = Lock()  # a thread of the parent may have held it

    def _release(self) -> Components | None:
        """Refuse further use and stop the threads. Return the components to close; None if nothing is open."""
        with self._lock:
            parts = self.current
            self.current, self._is_closed, self._entered = None, True, 0
            if parts is not None:
                self._stop(parts)
            return parts


def _sync_method(use_case: Callable[Concatenate[IssuerFlows, P], Flow[T]]) -> Callable[Concatenate["Issuer", P], T]:
    def method(self: "Issuer", /, *args: P.args, **kwargs: P.kwargs) -> T:
        parts = self.parts
        return drive(use_case(IssuerFlows(parts), *args, **kwargs), parts.ports)

    update_wrapper(method, use_case)
    return method


def _async_method(
    use_case: Callable[Concatenate[IssuerFlows, P], Flow[T]],
) -> Callable[Concatenate["AsyncIssuer", P], Awaitable[T]]:
    async def run_opened(self: "AsyncIssuer", /, *args: P.args, **kwargs: P.kwargs) -> T:
        parts = await self.ready()
        return await drive_async(use_case(IssuerFlows(parts), *args, **kwargs), parts.ports)

    def method(self: "AsyncIssuer", /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        parts = self.current
        if parts is None:
            return run_opened(self, *args, **kwargs)
        return drive_async(use_case(IssuerFlows(parts), *args, **kwargs), parts.ports)

    update_wrapper(method, use_case)
    return method


class Issuer(_BaseIssuer):
    """Issuer for synchronous programs: Flask, Django, scripts. Use it as a context manager, or call ``close``."""

    _is_async = False

    def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        parts = self._release()
        if parts is None:
            return
        if parts.redis_cache is not None:
            parts.redis_cache.cache.close()
        parts.store.close()

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._leave():
            self.close()

    def connection(self, principal: Principal, on_end: OnEnd | None = None) -> Connection:
        """Return a context manager for a connection that a credential of ``principal`` opened: see ``Connection``."""
        self._require_feed()
        return Connection(lambda: self.parts.connections, self.verify, principal, on_end)

    signup = _sync_method(IssuerFlows.signup)
    login = _sync_method(IssuerFlows.login)
    verify = _sync_method(IssuerFlows.verify)
    refresh = _sync_method(IssuerFlows.refresh)
    step_up = _sync_method(IssuerFlows.step_up)
    change_password = _sync_method(IssuerFlows.change_password)
    logout = _sync_method(IssuerFlows.logout)
    revoke_subject = _sync_method(IssuerFlows.revoke_subject)
    revoke_client = _sync_method(IssuerFlows.revoke_client)
    revoke_everything = _sync_method(IssuerFlows.revoke_everything)
    introspect = _sync_method(IssuerFlows.introspect)
    sessions = _sync_method(IssuerFlows.sessions)
    set_disabled = _sync_method(IssuerFlows.set_disabled)


class AsyncIssuer(_BaseIssuer):
    """Issuer for programs with an event loop; every method is awaited. Use it as an async context manager."""

    _is_async = True

    async def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        parts = self._release()
        if parts is None:
            return
        if parts.redis_cache is not None:
            await parts.redis_cache.cache.close()
        await parts.store.close()

    async def ready(self) -> Components:
        """Return the components. They are opened in a thread if they are not. Raises as ``parts``."""
        parts = self.current
        return await asyncio.to_thread(self._open) if parts is None else parts

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._enter)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._leave():
            await self.close()

    def connection(self, principal: Principal, on_end: OnEnd | None = None) -> AsyncConnection:
        """Return a context manager for a connection: see ``AsyncConnection``."""
        self._require_feed()
        return AsyncConnection(self._ready_connections, self.verify, principal, on_end)

    async def _ready_connections(self) -> ConnectionRegistry:
        return (await self.ready()).connections

    signup = _async_method(IssuerFlows.signup)
    login = _async_method(IssuerFlows.login)
    verify = _async_method(IssuerFlows.verify)
    refresh = _async_method(IssuerFlows.refresh)
    step_up = _async_method(IssuerFlows.step_up)
    change_password = _async_method(IssuerFlows.change_password)
    logout = _async_method(IssuerFlows.logout)
    revoke_subject = _async_method(IssuerFlows.revoke_subject)
    revoke_client = _async_method(IssuerFlows.revoke_client)
    revoke_everything = _async_method(IssuerFlows.revoke_everything)
    introspect = _async_method(IssuerFlows.introspect)
    sessions = _async_method(IssuerFlows.sessions)
    set_disabled = _async_method(IssuerFlows.set_disabled)

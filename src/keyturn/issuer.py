"""Issuer and AsyncIssuer: the API for Python programs. Both have the same methods; each runs one flow."""

import logging
import os
import time
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Self, TypeVar

from keyturn import issuer_flows
from keyturn.clock import boottime
from keyturn.config.background import BackgroundTasks, load_first_keys, measure_clock
from keyturn.config.components import Clock, Components, build_components
from keyturn.config.data_dir import complete_settings
from keyturn.config.settings import Settings, read_settings
from keyturn.errors import ConfigurationError
from keyturn.flows import Flow, drive, drive_async
from keyturn.ports import Ports

P = ParamSpec("P")
T = TypeVar("T")
DEFAULT_ISSUER = "http://127.0.0.1:8000"
"""Default issuer URL: the default address of ``keyturn serve``, which therefore accepts the same tokens."""

_logger = logging.getLogger("keyturn")


class _BaseIssuer:
    """Common part of both issuers: the components and their background tasks."""

    _is_async: bool

    def __init__(self, parts: Components) -> None:
        self.parts = parts
        self.process: int | None = os.getpid()
        self._background_tasks: BackgroundTasks | None = None

    @classmethod
    def open(
        cls, settings: Settings, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True
    ) -> Self:
        """Open an issuer with complete settings. Raises ``ConfigurationError``, ``StoreUnavailable``.

        ``background``: follow the feed and roll keys in threads. Without them every check queries the store, and keys
        roll only when an issuer is opened.
        """
        parts = build_components(settings, is_async=cls._is_async, clock=clock, monotonic=monotonic)
        issuer = cls(parts)
        drive(measure_clock(parts), parts.sync_ports)
        drive(load_first_keys(parts), parts.sync_ports)
        if background:
            issuer._background_tasks = BackgroundTasks(parts)
            issuer._background_tasks.start()
        return issuer

    @classmethod
    def from_env(
        cls, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True, **explicit: object
    ) -> Self:
        """Open an issuer from ``KEYTURN_...`` variables, ``keyturn.toml`` and ``explicit`` settings (see ``Settings``).

        A missing secret, service token or SQLite store is created in the data directory, with a warning in the log,
        unless the environment is ``production``. Raises ``ConfigurationError``, ``StoreUnavailable``.
        """
        prepared = complete_settings(read_settings(None, **explicit), DEFAULT_ISSUER)
        for line in prepared.lines:
            _logger.warning("%s", line)
        return cls.open(prepared.settings, clock=clock, monotonic=monotonic, background=background)

    def _release(self) -> None:
        self.process = None
        if self._background_tasks is not None:
            self._background_tasks.close()
            self._background_tasks = None
        self.parts.hasher.close()


def _usable_ports(issuer: _BaseIssuer) -> Ports:
    # Neither threads nor open SQLite files survive a fork (sqlite.org/howtocorrupt.html, section 2.6).
    if issuer.process != os.getpid():
        raise ConfigurationError("this issuer is closed, or was opened before a fork; open one in each process")
    return issuer.parts.ports


def _sync_method(use_case: Callable[Concatenate[Components, P], Flow[T]]) -> Callable[Concatenate["Issuer", P], T]:
    def method(self: "Issuer", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return drive(use_case(self.parts, *args, **kwargs), _usable_ports(self))

    update_wrapper(method, use_case)
    return method


def _async_method(
    use_case: Callable[Concatenate[Components, P], Flow[T]],
) -> Callable[Concatenate["AsyncIssuer", P], Awaitable[T]]:
    def method(self: "AsyncIssuer", /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return drive_async(use_case(self.parts, *args, **kwargs), _usable_ports(self))

    update_wrapper(method, use_case)
    return method


class Issuer(_BaseIssuer):
    """Issuer for synchronous programs: Flask, Django, scripts. Use it as a context manager, or call ``close``."""

    _is_async = False

    def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        self._release()
        if self.parts.redis_cache is not None:
            self.parts.redis_cache.cache.close()
        self.parts.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    signup = _sync_method(issuer_flows.signup)
    login = _sync_method(issuer_flows.login)
    verify = _sync_method(issuer_flows.verify)
    refresh = _sync_method(issuer_flows.refresh)
    step_up = _sync_method(issuer_flows.step_up)
    change_password = _sync_method(issuer_flows.change_password)
    logout = _sync_method(issuer_flows.logout)
    revoke_subject = _sync_method(issuer_flows.revoke_subject)
    revoke_client = _sync_method(issuer_flows.revoke_client)
    revoke_everything = _sync_method(issuer_flows.revoke_everything)
    introspect = _sync_method(issuer_flows.introspect)
    sessions = _sync_method(issuer_flows.sessions)
    set_disabled = _sync_method(issuer_flows.set_disabled)


class AsyncIssuer(_BaseIssuer):
    """Issuer for programs with an event loop; every method is awaited. Use it as an async context manager."""

    _is_async = True

    async def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        self._release()
        if self.parts.redis_cache is not None:
            await self.parts.redis_cache.cache.close()
        await self.parts.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    signup = _async_method(issuer_flows.signup)
    login = _async_method(issuer_flows.login)
    verify = _async_method(issuer_flows.verify)
    refresh = _async_method(issuer_flows.refresh)
    step_up = _async_method(issuer_flows.step_up)
    change_password = _async_method(issuer_flows.change_password)
    logout = _async_method(issuer_flows.logout)
    revoke_subject = _async_method(issuer_flows.revoke_subject)
    revoke_client = _async_method(issuer_flows.revoke_client)
    revoke_everything = _async_method(issuer_flows.revoke_everything)
    introspect = _async_method(issuer_flows.introspect)
    sessions = _async_method(issuer_flows.sessions)
    set_disabled = _async_method(issuer_flows.set_disabled)

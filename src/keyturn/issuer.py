"""Issuer and AsyncIssuer: the API for Python programs. Both have the same methods; each runs one flow."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Any, Concatenate, Self

from keyturn.config.components import Components
from keyturn.connections import AsyncConnection, Connection, ConnectionRegistry
from keyturn.connections.connection import OnEnd
from keyturn.core.principal import Principal
from keyturn.core.types import P, Subject, T
from keyturn.flows import Flow, drive, drive_async
from keyturn.issuer_base import DEFAULT_ISSUER, BaseIssuer
from keyturn.issuer_flows import IssuerFlows

__all__ = ["DEFAULT_ISSUER", "AsyncIssuer", "Issuer"]


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


class Issuer(BaseIssuer):
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
        return Connection(lambda: self.parts.connections, self.verify, principal, on_end)

    def load_user(self, subject: Subject) -> Any:
        """Return the application's own object of a subject, or None. Raises ``ConfigurationError`` without accounts."""
        return self.parts.load_user(subject)

    def check_account(self, subject: Subject) -> None:
        """Compare an account that the application may have changed, and end its sessions now if it has. As above."""
        self.parts.own_accounts.check(subject)

    signup = _sync_method(IssuerFlows.signup)
    login = _sync_method(IssuerFlows.login)
    open_session = _sync_method(IssuerFlows.open_session)
    verify = _sync_method(IssuerFlows.verify)
    refresh = _sync_method(IssuerFlows.refresh)
    step_up = _sync_method(IssuerFlows.step_up)
    change_password = _sync_method(IssuerFlows.change_password)
    logout = _sync_method(IssuerFlows.logout)
    logout_others = _sync_method(IssuerFlows.logout_others)
    revoke_subject = _sync_method(IssuerFlows.revoke_subject)
    revoke_client = _sync_method(IssuerFlows.revoke_client)
    revoke_everything = _sync_method(IssuerFlows.revoke_everything)
    introspect = _sync_method(IssuerFlows.introspect)
    sessions = _sync_method(IssuerFlows.sessions)
    account = _sync_method(IssuerFlows.account)
    accounts = _sync_method(IssuerFlows.accounts)
    disable = _sync_method(IssuerFlows.disable)
    enable = _sync_method(IssuerFlows.enable)
    set_disabled = _sync_method(IssuerFlows.set_disabled)
    set_scope = _sync_method(IssuerFlows.set_scope)


class AsyncIssuer(BaseIssuer):
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
        return AsyncConnection(self._ready_connections, self.verify, principal, on_end)

    async def _ready_connections(self) -> ConnectionRegistry:
        return (await self.ready()).connections

    async def load_user(self, subject: Subject) -> Any:
        """Return the application's own object of a subject, or None. Raises ``ConfigurationError`` without accounts."""
        return await (await self.ready()).load_user(subject)

    async def check_account(self, subject: Subject) -> None:
        """Compare an account that the application may have changed, and end its sessions now if it has. As above."""
        await (await self.ready()).own_accounts.check(subject)

    signup = _async_method(IssuerFlows.signup)
    login = _async_method(IssuerFlows.login)
    open_session = _async_method(IssuerFlows.open_session)
    verify = _async_method(IssuerFlows.verify)
    refresh = _async_method(IssuerFlows.refresh)
    step_up = _async_method(IssuerFlows.step_up)
    change_password = _async_method(IssuerFlows.change_password)
    logout = _async_method(IssuerFlows.logout)
    logout_others = _async_method(IssuerFlows.logout_others)
    revoke_subject = _async_method(IssuerFlows.revoke_subject)
    revoke_client = _async_method(IssuerFlows.revoke_client)
    revoke_everything = _async_method(IssuerFlows.revoke_everything)
    introspect = _async_method(IssuerFlows.introspect)
    sessions = _async_method(IssuerFlows.sessions)
    account = _async_method(IssuerFlows.account)
    accounts = _async_method(IssuerFlows.accounts)
    disable = _async_method(IssuerFlows.disable)
    enable = _async_method(IssuerFlows.enable)
    set_disabled = _async_method(IssuerFlows.set_disabled)
    set_scope = _async_method(IssuerFlows.set_scope)

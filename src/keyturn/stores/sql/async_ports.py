"""Async ports of a SQL store over threads; ``asyncpg_driver`` has those over asyncpg."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from keyturn.stores.async_proxy import AsyncPort
from keyturn.stores.sql.thread_pool import BoundedThreadPool

READERS = 4


class AsyncPorts(Protocol):
    """Async ports of one store."""

    sessions: Any
    accounts: Any
    log: Any
    throttles: Any
    keys: Any
    audit: Any

    async def close(self) -> None:
        """Finish running calls and cancel waiting ones."""
        ...


class ThreadPorts:
    """Async ports that call the methods of ``store`` in thread pools of at most ``size`` threads."""

    def __init__(self, store: Any, *, size: int, waiting: int, deadline_seconds: float) -> None:
        is_single_writer = store.database.hooks.write_lock is not None
        make_pool = partial(BoundedThreadPool, waiting=waiting, timeout_seconds=deadline_seconds)
        self._readers = make_pool(READERS if is_single_writer else size, name="keyturn-store")
        # A database with a single writer needs one thread for writes: more would only wait for the lock.
        self._writers = make_pool(1, name="keyturn-store-writer") if is_single_writer else self._readers
        self.sessions = AsyncPort(store.sessions, self._run)
        self.accounts = AsyncPort(store.accounts, self._run)
        self.log = AsyncPort(store.log, self._run)
        self.throttles = AsyncPort(store.throttles, self._run)
        self.keys = AsyncPort(store.keys, self._run)
        self.audit = AsyncPort(store.audit, self._run)

    async def close(self) -> None:
        """Finish running calls and cancel waiting ones."""
        self._writers.close()
        self._readers.close()

    def _run(self, method: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        pool = self._writers if getattr(method, "writes", False) else self._readers
        return pool.run(method, *arguments)


def throttle_pool_size(size: int) -> int:
    """Return the number of connections for login throttles beside ``size`` others."""
    return max(1, size // 4)

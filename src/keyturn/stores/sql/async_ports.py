"""Async ports of a SQL store over threads; ``asyncpg_driver`` has those over asyncpg."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from keyturn.ports import StorePorts
from keyturn.stores.proxy import set_async_ports
from keyturn.stores.sql.thread_pool import BoundedThreadPool

READERS = 4


class ThreadPorts(StorePorts):
    """Async ports that call the methods of ``store`` in thread pools of at most ``size`` threads."""

    def __init__(self, store: Any, *, size: int, waiting: int, deadline_seconds: float) -> None:
        is_single_writer = store.database.hooks.write_lock is not None
        make_pool = partial(BoundedThreadPool, waiting=waiting, timeout_seconds=deadline_seconds)
        self._readers = make_pool(READERS if is_single_writer else size, name="keyturn-store")
        # A database with a single writer needs one thread for writes: more would only wait for the lock.
        self._writers = make_pool(1, name="keyturn-store-writer") if is_single_writer else self._readers
        set_async_ports(self, store, self._run)

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

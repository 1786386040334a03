"""Async versions of sync ports: a proxy for any port, and the async memory store."""

from collections.abc import Awaitable, Callable
from typing import Any

from keyturn.stores.memory import MemoryStore

Run = Callable[..., Awaitable[Any]]


class AsyncPort:
    """Async proxy of a sync port. ``run(method, *arguments)`` calls the method, inline or in a thread."""

    def __init__(self, port: object, run: Run) -> None:
        self._port = port
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)
        run = self._run

        async def call(*arguments: object) -> Any:
            return await run(method, *arguments)

        # Cached as an attribute: __getattr__ is not called for it again.
        setattr(self, name, call)
        return call


async def run_inline(method: Callable[..., Any], *arguments: object) -> Any:
    """Call ``method`` in the event loop: for methods that wait only for a lock held for microseconds."""
    return method(*arguments)


class AsyncMemoryStore:
    """Async version of ``MemoryStore``. ``store``: the store to share. Default: a new one."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.sessions = AsyncPort(self.store.sessions, run_inline)
        self.accounts = AsyncPort(self.store.accounts, run_inline)
        self.log = AsyncPort(self.store.log, run_inline)
        self.throttles = AsyncPort(self.store.throttles, run_inline)
        self.keys = AsyncPort(self.store.keys, run_inline)
        self.audit = AsyncPort(self.store.audit, run_inline)

    async def close(self) -> None:
        """Close the store: a no-op, for the interface of all stores."""
        self.store.close()

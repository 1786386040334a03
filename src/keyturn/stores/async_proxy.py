"""The async twin of a store: the same ports, awaited. Written once for every store."""

from collections.abc import Awaitable, Callable
from typing import Any

from keyturn.stores.memory import MemoryStore

Run = Callable[..., Awaitable[Any]]


class AsyncPort:
    """A port whose methods are awaited. ``run(method, *arguments)`` decides where the work is done."""

    def __init__(self, port: object, run: Run) -> None:
        self._port = port
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)
        run = self._run

        async def call(*arguments: object) -> Any:
            return await run(method, *arguments)

        # Found as a plain attribute from now on.
        setattr(self, name, call)
        return call


async def run_inline(method: Callable[..., Any], *arguments: object) -> Any:
    """Run right here: for work that never waits for anything but a lock held for microseconds."""
    return method(*arguments)


class AsyncMemoryStore:
    """``MemoryStore``, awaited. ``store``: the store to share; a new one if left out."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.sessions = AsyncPort(self.store.sessions, run_inline)
        self.accounts = AsyncPort(self.store.accounts, run_inline)
        self.log = AsyncPort(self.store.log, run_inline)
        self.throttles = AsyncPort(self.store.throttles, run_inline)
        self.keys = AsyncPort(self.store.keys, run_inline)
        self.audit = AsyncPort(self.store.audit, run_inline)

    async def close(self) -> None:
        """Nothing to let go of; every store has this door."""
        self.store.close()

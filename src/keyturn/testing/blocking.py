"""Sync wrapper of an async store for the store contract, with an event loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any

PORTS = ("sessions", "accounts", "log", "throttles", "keys", "audit")


class _BlockingPort:
    def __init__(self, port: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*arguments: object) -> Any:
            coroutine: Coroutine[Any, Any, Any] = method(*arguments)
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

        return call


class Blocking:
    """Sync, thread-safe wrapper of every port of the async store ``store``."""

    sessions: Any
    accounts: Any
    log: Any
    throttles: Any
    keys: Any
    audit: Any

    def __init__(self, store: Any) -> None:
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="keyturn-blocking", daemon=True)
        self._thread.start()
        for name in PORTS:
            setattr(self, name, _BlockingPort(getattr(store, name), self._loop))

    def close(self) -> None:
        """Close the store and end the loop."""
        asyncio.run_coroutine_threadsafe(self._store.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

"""Sync wrapper of an async store for the store contract, with an event loop of its own."""

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

from keyturn.ports import StorePorts, ports_of
from keyturn.stores.proxy import set_proxies


class Blocking(StorePorts):
    """Sync, thread-safe wrapper of every port of the async store ``store``."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="keyturn-blocking", daemon=True)
        self._thread.start()
        set_proxies(self, ports_of(store), self._bind)

    def close(self) -> None:
        """Close the store and end the loop."""
        self._bind(self._store.close)()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _bind(self, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: asyncio.run_coroutine_threadsafe(method(*arguments), self._loop).result()

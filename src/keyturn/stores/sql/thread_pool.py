"""A bounded crew of threads for the async stores, apart from the event loop's own pool."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

from keyturn.errors import ConfigurationError, StoreUnavailable


class BoundedThreadPool:
    """At most ``threads`` calls at once and ``waiting`` behind them; past that ``StoreUnavailable`` at once, and for
    one that has not begun after ``patience_seconds``."""

    def __init__(self, threads: int, waiting: int, name: str, *, patience_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = BoundedSemaphore(threads + waiting)
        self._patience_seconds = patience_seconds
        self._process = os.getpid()

    async def run(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call ``method`` on a thread. Cancelled while it waits, it never happens; while it runs, it still may."""
        if self._process != os.getpid():
            # Threads do not survive a fork: whoever waited for one would wait for ever.
            raise ConfigurationError("this store was opened before a fork; open one in each process")
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable("too many operations are waiting for the store")
        try:
            future = self._executor.submit(method, *arguments)
        except RuntimeError as closed:
            self._places.release()
            raise StoreUnavailable("the store is closed, or the machine has no thread left") from closed
        future.add_done_callback(self._leave)
        return await self._is_started(future)

    async def _is_started(self, future: Future[Any]) -> Any:
        late = False

        def give_up() -> None:
            nonlocal late
            late = future.cancel()  # which is refused to what has begun

        timer = asyncio.get_running_loop().call_later(self._patience_seconds, give_up)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if late:
                raise StoreUnavailable("every thread is in use") from None
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let what runs finish, forget what waits."""
        self._executor.shutdown(cancel_futures=True)

    def _leave(self, _future: Future[Any]) -> None:
        self._places.release()

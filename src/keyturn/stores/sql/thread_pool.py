"""Bounded thread pool for the async stores, separate from the event loop's default executor."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

from keyturn.core.types import T
from keyturn.errors import ConfigurationError, StoreUnavailable


class BoundedThreadPool:
    """Thread pool with at most ``threads`` running and ``waiting`` queued calls.

    Raises ``StoreUnavailable`` at once for a full queue, and for a call that has not started after ``timeout_seconds``.
    """

    def __init__(self, threads: int, waiting: int, name: str, *, timeout_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = BoundedSemaphore(threads + waiting)
        self._timeout_seconds = timeout_seconds
        self._pid = os.getpid()
        self._is_closed = False

    async def run(self, method: Callable[..., T], *arguments: object) -> T:
        """Call ``method`` in a thread. A cancelled call that waits does not run; one that runs may still complete."""
        if self._pid != os.getpid():
            # A fork does not copy threads: a call would wait forever.
            raise ConfigurationError("the store was opened before a fork; open a store in each process")
        if not self._slots.acquire(blocking=False):
            raise StoreUnavailable("too many operations are waiting for the store; retry later")
        try:
            future = self._executor.submit(self._call, method, *arguments)
        except RuntimeError as error:
            self._slots.release()
            raise StoreUnavailable("the store is closed, or no thread could be started") from error
        future.add_done_callback(self._release_slot)
        return await self._wait(future)

    async def _wait(self, future: Future[T]) -> T:
        is_late = False

        def give_up() -> None:
            nonlocal is_late
            is_late = future.cancel()  # False if the call has started

        timer = asyncio.get_running_loop().call_later(self._timeout_seconds, give_up)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if is_late:
                raise StoreUnavailable("all threads stayed in use until the timeout") from None
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Finish running calls and refuse waiting ones."""
        # Not cancelled: a cancelled future would cancel the task that awaits it.
        self._is_closed = True
        self._executor.shutdown()

    def _call(self, method: Callable[..., T], *arguments: object) -> T:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        return method(*arguments)

    def _release_slot(self, _future: Future[T]) -> None:
        self._slots.release()

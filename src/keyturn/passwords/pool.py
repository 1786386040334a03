"""Bounded thread pool for password hashing, at a lower priority than other requests."""

import math
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from keyturn.core.types import T
from keyturn.errors import ConfigurationError, Overloaded

NICENESS = 10
"""Niceness of hashing threads, on Linux: other requests need the core for shorter times than a hash does."""

HASHES_PER_SECOND = 50
"""Of one thread with OWASP parameters; only used to compute Retry-After and the default queue."""


class HashingThreads:
    """Bounded thread pool: ``threads`` running jobs, ``queue`` waiting ones; raises ``Overloaded`` beyond that."""

    def __init__(self, threads: int, queue: int) -> None:
        if threads < 1 or queue < 0:
            raise ConfigurationError(f"a hashing pool must have threads >= 1 and queue >= 0, not {threads} and {queue}")
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="keyturn-argon2", initializer=_lower_priority)
        self._free = threading.Semaphore(threads + queue)
        self._is_closed = False
        self._retry_after_seconds = math.ceil((threads + queue) / (threads * HASHES_PER_SECOND))

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run ``job`` in a thread of the pool. Raises ``Overloaded``."""
        if not self._free.acquire(blocking=False):
            raise Overloaded("password hashing queue is full", retry_after_seconds=self._retry_after_seconds)
        try:
            future = self._executor.submit(self._run, job)
        except RuntimeError as error:
            self._free.release()
            raise Overloaded("password hashing pool is closed, or the system refused to start a thread") from error
        # Called on completion and on cancellation: an abandoned job does not keep its slot.
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        """Refuse waiting jobs and wait for running ones."""
        # Waiting jobs are refused, not cancelled: a cancelled future would cancel the task that awaits it.
        self._is_closed = True
        self._executor.shutdown()

    def _run(self, job: Callable[[], T]) -> T:
        if self._is_closed:
            raise Overloaded("password hashing pool is closed")
        return job()


def default_hash_threads() -> int:
    """Return one less than the number of cores available to this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def _lower_priority() -> None:
    # Only Linux has a niceness per thread (setpriority(2)); on other systems this would slow down the event loop, too.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Raising the niceness needs no privilege. If a sandbox forbids the call, hashing continues without it.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))

"""Threads of a verifier's own: begun where there may be no more, and locks that a fork leaves usable."""

import os
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from weakref import WeakSet

from keyturn.errors import Unavailable


def start_thread(thread: Thread) -> Thread:
    """Start ``thread``. Raises ``Unavailable`` when the machine has no room for another."""
    try:
        thread.start()
    except RuntimeError as error:
        raise Unavailable("no thread can be started on this machine") from error
    return thread


class ForkSafeLock:
    """A lock that is free in a child process, whoever held it when the parent forked: that thread is not there."""

    def __init__(self) -> None:
        self._lock = Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._lock.release()

    def reset(self) -> None:
        """Forget who holds it."""
        self._lock = Lock()


_locks: WeakSet[ForkSafeLock] = WeakSet()


def _reset_all() -> None:
    for lock in list(_locks):
        lock.reset()


with suppress(AttributeError):  # where there is no fork
    os.register_at_fork(after_in_child=_reset_all)

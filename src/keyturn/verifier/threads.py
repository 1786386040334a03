"""Background threads of a verifier, and what a fork does to them: a child has none, and no lock that one held."""

import os
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Protocol
from weakref import WeakSet

from keyturn.errors import Unavailable


def start_thread(thread: Thread) -> Thread:
    """Start ``thread``. Raises ``Unavailable`` if the operating system allows no more threads."""
    try:
        thread.start()
    except RuntimeError as error:
        raise Unavailable("no thread could be started: check the limit on threads of this process") from error
    return thread


class Resettable(Protocol):
    """Object with state that a forked child must not keep."""

    def reset(self) -> None:
        """Return to the state of a new object, for the forked child."""
        ...


def reset_after_fork(item: Resettable) -> None:
    """Call ``item.reset`` in each forked child, while ``item`` exists."""
    _items.add(item)


class ForkSafeLock:
    """Lock that is free in a forked child even if a thread of the parent held it: a fork does not copy that thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        reset_after_fork(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._lock.release()

    def reset(self) -> None:
        """Release the lock for the forked child."""
        self._lock = Lock()


_items: WeakSet[Resettable] = WeakSet()


def _reset_all() -> None:
    for item in list(_items):
        item.reset()


with suppress(AttributeError):  # platforms without fork
    os.register_at_fork(after_in_child=_reset_all)

"""Turn: who writes next. First come, first served, with an end to patience."""

from collections import deque
from threading import Lock

from keyturn.errors import StoreUnavailable


class FairLock:
    """A lock that is handed to whoever waited longest.

    SQLite lets one writer in and has the others poll with growing pauses: under load an unlucky thread would
    starve. In one process nobody needs to poll.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._is_locked = False
        self._waiters: deque[Lock] = deque()

    def acquire(self, timeout_seconds: float) -> None:
        """Wait for the turn. Raises ``StoreUnavailable`` when it does not come within ``timeout_seconds``."""
        with self._guard:
            if not self._is_locked:
                self._is_locked = True
                return
            waiter = Lock()
            waiter.acquire()
            self._waiters.append(waiter)
        if not waiter.acquire(timeout=timeout_seconds):
            self._cancel(waiter)

    def release(self) -> None:
        """Hand the turn to the next in line."""
        with self._guard:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._is_locked = False

    def _cancel(self, waiter: Lock) -> None:
        with self._guard:
            if waiter not in self._waiters:
                return  # it came in the last moment: it is ours
            self._waiters.remove(waiter)
        raise StoreUnavailable("the queue of writers is too long")

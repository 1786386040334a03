"""First-in-first-out lock with a timeout."""

from collections import deque
from threading import Lock

from keyturn.errors import StoreUnavailable


class FairLock:
    """Lock that is passed to the thread that has waited longest.

    SQLite allows one writer and makes the others poll with growing pauses: under load, an unlucky thread would starve.
    Within one process, this lock replaces polling.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._is_locked = False
        self._waiters: deque[Lock] = deque()

    def acquire(self, timeout_seconds: float) -> None:
        """Acquire the lock. Raises ``StoreUnavailable`` after ``timeout_seconds``."""
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
        """Pass the lock to the next waiter."""
        with self._guard:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._is_locked = False

    def _cancel(self, waiter: Lock) -> None:
        with self._guard:
            if waiter not in self._waiters:
                return  # the lock was passed to this thread just after the timeout
            self._waiters.remove(waiter)
        raise StoreUnavailable("the write lock was not free within the timeout")

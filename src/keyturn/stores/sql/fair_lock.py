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
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def acquire(self, patience_seconds: float) -> None:
        """Wait for the turn. Raises ``StoreUnavailable`` when it does not come within ``patience_seconds``."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            ticket = Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if not ticket.acquire(timeout=patience_seconds):
            self._leave(ticket)

    def release(self) -> None:
        """Hand the turn to the next in line."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    def _leave(self, ticket: Lock) -> None:
        with self._guard:
            if ticket not in self._waiting:
                return  # it came in the last moment: it is ours
            self._waiting.remove(ticket)
        raise StoreUnavailable("the queue of writers is too long")

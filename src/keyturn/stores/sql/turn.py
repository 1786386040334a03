"""Turn: who writes next. First come, first served, with an end to patience."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from keyturn.errors import StoreUnavailable


class Turn:
    """A lock that is handed to whoever waited longest.

    SQLite lets one writer in and has the others poll with growing pauses: under load an unlucky thread would
    starve. In one process nobody needs to poll.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    @contextmanager
    def take(self, patience_seconds: float) -> Generator[None]:
        """Hold the turn. Raises ``StoreUnavailable`` when it does not come within ``patience_seconds``."""
        ticket = self._queue()
        if ticket is not None and not ticket.acquire(timeout=patience_seconds):
            self._leave(ticket)
        try:
            yield
        finally:
            self._pass_on()

    def _queue(self) -> "Lock | None":
        with self._guard:
            if not self._taken:
                self._taken = True
                return None
            ticket = Lock()
            ticket.acquire()
            self._waiting.append(ticket)
            return ticket

    def _leave(self, ticket: Lock) -> None:
        with self._guard:
            if ticket not in self._waiting:
                return  # it came in the last moment: it is ours
            self._waiting.remove(ticket)
        raise StoreUnavailable("the queue of writers is too long")

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

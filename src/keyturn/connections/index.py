"""Index of open connections by what a revocation names, and their deadlines by the second."""

from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush
from math import ceil

from keyturn.core.connection import ConnectionEnd
from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation, RevocationKind


class Registration:
    """One open connection.

    ``principal``: of the newest credential presented on it. ``verified_at``: when it was verified, in monotonic
    seconds. ``deadline``: Unix second of the next look at its timeouts, None while its session is being reloaded.
    ``end``: reason for its end, None before. ``notify`` is called once with it, in a thread of the registry.
    """

    __slots__ = ("deadline", "end", "notify", "principal", "verified_at")

    def __init__(self, principal: Principal, verified_at: float, notify: Callable[[ConnectionEnd], None]) -> None:
        self.principal = principal
        self.verified_at = verified_at
        self.notify = notify
        self.deadline: int | None = None
        self.end: ConnectionEnd | None = None


class ConnectionIndex:
    """Open connections by sid, subject and client. A look-up costs the same however many are open."""

    def __init__(self) -> None:
        self._all: set[Registration] = set()
        self._by_key: dict[RevocationKind, dict[str, set[Registration]]] = {
            RevocationKind.SESSION: {},
            RevocationKind.SUBJECT: {},
            RevocationKind.CLIENT: {},
        }

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, registration: Registration) -> bool:
        return registration in self._all

    def add(self, registration: Registration) -> None:
        """Add a connection."""
        self._all.add(registration)
        for kind, key in _names(registration.principal):
            self._by_key[kind].setdefault(key, set()).add(registration)

    def remove(self, registration: Registration) -> None:
        """Remove a connection, and the names that no other connection has."""
        self._all.discard(registration)
        for kind, key in _names(registration.principal):
            registrations = self._by_key[kind].get(key, set())
            registrations.discard(registration)
            if not registrations:
                self._by_key[kind].pop(key, None)

    def named_by(self, entry: Revocation | None) -> Collection[Registration]:
        """Return the connections that a revocation names; all for None."""
        if entry is None or entry.kind is RevocationKind.EVERYTHING:
            return self._all
        return self._by_key[entry.kind].get(entry.key, ())


class Deadlines:
    """Connections by the Unix second of their deadline. Removing one leaves nothing of it behind."""

    def __init__(self) -> None:
        self._by_second: dict[int, set[Registration]] = {}
        # Seconds in ``_by_second``; others, of connections that were removed, may be left.
        self._heap: list[int] = []

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, registration: Registration, deadline: float | None) -> None:
        """Give a connection another deadline, or none."""
        if registration.deadline is not None:
            at_once = self._by_second[registration.deadline]
            at_once.discard(registration)
            if not at_once:
                del self._by_second[registration.deadline]
        registration.deadline = None if deadline is None else ceil(deadline)
        if registration.deadline is not None:
            self._add(registration, registration.deadline)

    def pop_due(self, now: float) -> list[Registration]:
        """Remove and return the connections whose deadline has come."""
        due: list[Registration] = []
        while self._heap and self._heap[0] <= now:
            for registration in self._by_second.pop(heappop(self._heap), ()):
                registration.deadline = None
                due.append(registration)
        return due

    def seconds_until_next(self, now: float) -> float:
        """Return the seconds until the next deadline; infinite without one."""
        return self._heap[0] - now if self._heap else float("inf")

    def _add(self, registration: Registration, second: int) -> None:
        if second not in self._by_second:
            self._by_second[second] = set()
            heappush(self._heap, second)
            if len(self._heap) > 2 * len(self._by_second) + 64:
                self._heap = list(self._by_second)
                heapify(self._heap)
        self._by_second[second].add(registration)


def _names(principal: Principal) -> tuple[tuple[RevocationKind, str], ...]:
    return (
        (RevocationKind.SESSION, principal.sid),
        (RevocationKind.SUBJECT, principal.subject),
        (RevocationKind.CLIENT, principal.client_id),
    )

"""Reloads of the sessions of open connections, in a thread of their own: a store that hangs delays no other end."""

import logging
from collections.abc import Callable
from threading import Lock, Thread
from typing import Protocol

from keyturn.connections.index import Registration
from keyturn.core.connection import ConnectionEnd, decide_refusal
from keyturn.core.principal import Principal
from keyturn.errors import Refusal

_logger = logging.getLogger("keyturn.connections")


class _Source(Protocol):
    @property
    def bound_seconds(self) -> float: ...
    def monotonic(self) -> float: ...
    def reload(self, principal: Principal) -> Principal: ...


class Reloads:
    """Connections whose session is to be reloaded, oldest first. ``settle`` is called with each result."""

    def __init__(self, source: _Source, settle: Callable[[Registration, Principal | ConnectionEnd], None]) -> None:
        self._source = source
        self._settle = settle
        self._lock = Lock()
        self._give_up_at: dict[Registration, float] = {}
        self._loading: tuple[Registration, float] | None = None
        self._thread: Thread | None = None

    def add(self, registration: Registration) -> None:
        """Reload a session, again if that is being done: what is read now may be older than the reason to ask."""
        with self._lock:
            self._give_up_at.setdefault(registration, self._source.monotonic() + self._source.bound_seconds)
            if self._thread is None:
                thread = Thread(target=self._run, name="keyturn-connections-reload", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads: the connection is given up at the end of the bound
                    _logger.warning("no thread could be started to reload the session of an open connection")
                else:
                    self._thread = thread

    def remove(self, registration: Registration) -> None:
        """Forget a connection that was closed."""
        with self._lock:
            self._give_up_at.pop(registration, None)

    def pop_late(self, now: float) -> list[Registration]:
        """Remove and return the connections whose session was not reloaded within the bound: they must end."""
        with self._lock:
            waiting = [*self._give_up_at.items(), *filter(None, [self._loading])]
            late = [registration for registration, give_up_at in waiting if give_up_at < now]
            for each in late:
                self._give_up_at.pop(each, None)
            return late

    def _run(self) -> None:
        while (registration := self._next()) is not None:
            self._settle(registration, self._reload(registration.principal))

    def _next(self) -> Registration | None:
        with self._lock:
            if not self._give_up_at:
                self._loading = self._thread = None
                return None
            registration = next(iter(self._give_up_at))
            self._loading = registration, self._give_up_at.pop(registration)
            return registration

    def _reload(self, principal: Principal) -> Principal | ConnectionEnd:
        try:
            return self._source.reload(principal)
        except Refusal as refusal:
            return decide_refusal(refusal)
        except Exception:  # the thread must survive: the state of this session is unknown
            _logger.exception("the session of an open connection could not be reloaded")
            return ConnectionEnd.UNKNOWN

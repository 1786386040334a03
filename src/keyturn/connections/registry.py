"""Registry of the open connections of one issuer or verifier in this process, and the thread that ends them.

A revocation that concerns no connection costs one look-up, in the thread of the feed. Every other step is one pass of
a single thread, which runs while connections are open: there is no timer and no task per connection.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final, Protocol

from keyturn.connections.index import ConnectionIndex, Deadlines, Registration
from keyturn.connections.reloads import Reloads
from keyturn.core.connection import ConnectionEnd, Decision, Reload, decide_revocation, decide_time
from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation
from keyturn.errors import TokenInvalid, Unavailable

MAX_PAUSE_SECONDS: Final = 0.5
"""Longest pause between two passes: in it, the wall clock may be set, and the feed may go stale."""

_logger = logging.getLogger("keyturn.connections")


class ConnectionSource(Protocol):
    """Source of the revocations and the time that end connections.

    ``bound_seconds``: the staleness bound. ``monotonic``: the clock of the feed, in seconds.
    """

    @property
    def bound_seconds(self) -> float: ...

    def monotonic(self) -> float: ...

    def complete_as_of(self) -> float:
        """Return the monotonic time as of which every revocation is known."""
        ...

    def poll(self) -> bool:
        """Return True if revocations may have become known without a call of a listener."""
        ...

    def present(self) -> tuple[float, float]:
        """Return the Unix time and 0, or the earlier time and the gap while two clocks disagree."""
        ...

    def subscribe(self, listener: Callable[[Revocation | None], None]) -> Callable[[], None]:
        """Start the feed, and call ``listener`` with each revocation once it is known, or None if any may be new.

        Return a function to unsubscribe.
        """
        ...

    def decide(self, principal: Principal) -> Decision:
        """Decide if a known revocation ends the connection of ``principal``."""
        ...

    def reload(self, principal: Principal) -> Principal:
        """Return the principal of the session as it is stored now. Blocks. Raises the refusal of a dead session."""
        ...


class ConnectionRegistry:
    """Open connections of one ``source``. Thread-safe.

    A connection is kept only while it is proven: its credential was verified, or the feed was complete, at most the
    staleness bound ago.
    """

    def __init__(self, source: ConnectionSource) -> None:
        self._source = source
        self.reset()

    def reset(self) -> None:
        """Forget every connection, for a forked child: they are the parent's, and so are the threads."""
        self._lock = Lock()
        self._wakeup = Event()
        self._index = ConnectionIndex()
        self._deadlines = Deadlines()
        self._entries: deque[Revocation | None] = deque()
        self._reloads = Reloads(self._source, self._settle)
        self._thread: Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._complete_as_of = float("-inf")
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._index)

    def open(self, principal: Principal, notify: Callable[[ConnectionEnd], None]) -> Registration:
        """Register a connection whose credential has just been verified. Call ``remove`` when it is closed.

        ``notify`` is called once, in a thread of the registry, when the connection must end; it must not block. It is
        called at once for a credential that was revoked since it was verified.
        Raises ``Unavailable`` if no thread can be started.
        """
        registration = Registration(principal, self._source.monotonic(), notify)
        with self._lock:
            self._index.add(registration)
            self._deadlines.set(registration, principal.credential_expires_at)
            try:
                self._start()
            except RuntimeError as error:
                self._forget(registration)
                raise Unavailable("no thread could be started: check the limit on threads") from error
        # After it is indexed: a revocation is either known by now, or will find the connection.
        self._check(registration)
        return registration

    def remove(self, registration: Registration) -> None:
        """Forget a connection that was closed."""
        with self._lock:
            self._forget(registration)

    def is_open(self, registration: Registration) -> bool:
        """Return True while the connection may go on. Needs no thread, and so holds in a forked child, too."""
        now = self._source.monotonic()
        return registration in self._index and registration.end is None and now <= self._proven_until(registration)

    def renew(self, registration: Registration, principal: Principal) -> None:
        """Let the connection live as long as a newer access token of its session, that of ``principal``.

        A connection that was opened with a session token ends with its session anyway: nothing changes.
        Raises ``TokenInvalid`` for a session token, and for a token of another session.
        """
        current = registration.principal
        if principal.credential != "access" or (principal.sid, principal.subject) != (current.sid, current.subject):
            raise TokenInvalid("the token presented on an open connection is no access token of its session")
        with self._lock:
            is_older = principal.credential_expires_at < registration.principal.credential_expires_at
            if current.credential != "access" or is_older or registration not in self._index:
                return
            self._replace(registration, principal)
        self._check(registration)

    def close(self) -> None:
        """End every connection, also those that are opened later: nothing proves them any more."""
        self._is_closed = True
        self._end_all()
        self._wakeup.set()

    def run_once(self) -> float:
        """End the connections that must end now. Return the seconds to pause."""
        if self._source.poll():
            self._entries.append(None)
        while self._entries:
            entry = self._entries.popleft()
            for each in self._list(entry):
                self._follow(each, self._source.decide(each.principal) if entry is None else _decide(each, entry))
        now = self._source.monotonic()
        proven_for = self._end_unproven(now)
        for each in self._reloads.pop_late(now):
            self._end(each, ConnectionEnd.UNKNOWN)
        return max(0.0, min(MAX_PAUSE_SECONDS, proven_for, self._end_due()))

    def _check(self, registration: Registration) -> None:
        if self._is_closed:
            self._end(registration, ConnectionEnd.UNKNOWN)
        principal = registration.principal
        self._follow(registration, self._source.decide(principal) or decide_time(principal, *self._source.present()))

    def _start(self) -> None:
        """Start the thread if it does not run. Call with the lock held."""
        if self._thread is None:
            thread = Thread(target=self._run, name="keyturn-connections", daemon=True)
            self._unsubscribe = self._source.subscribe(self._listen)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:
                self._stop()
                raise

    def _stop(self) -> None:
        self._unsubscribe()
        self._thread, self._unsubscribe = None, lambda: None

    def _run(self) -> None:
        while True:
            try:
                pause = self.run_once()
            except Exception:  # without this thread, connections would outlive their sessions
                _logger.exception("open connections could not be checked; all of them are ended")
                pause = MAX_PAUSE_SECONDS
                self._end_all()
            with self._lock:
                if not self._index:
                    self._entries.clear()
                    self._stop()
                    return
            self._wakeup.wait(pause)
            self._wakeup.clear()

    def _listen(self, entry: Revocation | None) -> None:
        # In the thread of the feed, or of the request that revoked: one look-up, without the lock.
        if self._index.named_by(entry):
            self._entries.append(entry)
            self._wakeup.set()

    def _follow(self, registration: Registration, decision: Decision) -> None:
        if isinstance(decision, ConnectionEnd):
            self._end(registration, decision)
        elif decision is Reload.RELOAD:
            self._reloads.add(registration)

    def _settle(self, registration: Registration, result: Principal | ConnectionEnd) -> None:
        """Apply the result of a reload. A revocation may have arrived since: it is looked for again."""
        if isinstance(result, ConnectionEnd):
            self._end(registration, result)
            return
        with self._lock:
            if registration not in self._index:
                return
            self._replace(registration, result, self._source.present()[0] + 1)
        self._check(registration)

    def _replace(self, registration: Registration, principal: Principal, not_before: float = 0) -> None:
        """Replace the principal, with its deadline. Call with the lock held."""
        registration.principal = principal
        registration.verified_at = self._source.monotonic()
        self._deadlines.set(registration, max(not_before, principal.credential_expires_at))

    def _end(self, registration: Registration, end: ConnectionEnd) -> None:
        with self._lock:
            if registration not in self._index:
                return
            registration.end = end
            self._forget(registration)
        try:
            registration.notify(end)
        except Exception:  # of the application; the other connections must end all the same
            _logger.exception("a callback of an open connection failed")

    def _end_all(self) -> None:
        for each in self._list(None):
            self._end(each, ConnectionEnd.UNKNOWN)

    def _forget(self, registration: Registration) -> None:
        """Remove everything that is known of a connection. Call with the lock held."""
        self._index.remove(registration)
        self._deadlines.set(registration, None)
        self._reloads.remove(registration)

    def _proven_until(self, registration: Registration) -> float:
        complete_as_of = max(self._complete_as_of, self._source.complete_as_of())
        return max(registration.verified_at, complete_as_of) + self._source.bound_seconds

    def _end_unproven(self, now: float) -> float:
        """End the connections that nothing has proven within the bound. Return the seconds until the next may be."""
        # A gap in the feed discards its time of completeness. What was known then was known all the same.
        self._complete_as_of = max(self._complete_as_of, self._source.complete_as_of())
        left = self._complete_as_of + self._source.bound_seconds - now
        if left >= 0:
            return left
        left = MAX_PAUSE_SECONDS
        for each in self._list(None):
            proven_for = self._proven_until(each) - now
            if proven_for < 0:
                self._end(each, ConnectionEnd.UNKNOWN)
            else:
                left = min(left, proven_for)
        return left

    def _end_due(self) -> float:
        """End or reload the connections whose deadline has come. Return the seconds until the next one."""
        now, gap = self._source.present()
        with self._lock:
            due = self._deadlines.pop_due(now + gap)
            left = self._deadlines.seconds_until_next(now + gap)
        for each in due:
            self._follow(each, decide_time(each.principal, now, gap))
        return left

    def _list(self, entry: Revocation | None) -> list[Registration]:
        with self._lock:
            return list(self._index.named_by(entry))


def _decide(registration: Registration, entry: Revocation) -> Decision:
    return decide_revocation(registration.principal, entry)

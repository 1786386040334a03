"""Cache of an issuer's public keys: refreshed in the background, kept when a fetch fails, one fetch at a time."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Protocol

from keyturn.clock import boottime
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.fetch import Fetch, fetch, request
from keyturn.verifier.outage_log import OutageLog
from keyturn.verifier.threads import ForkSafeLock, start_thread

_MINUS_INFINITY = float("-inf")


@dataclass(slots=True)
class KeySchedule:
    """Schedule of key fetches: pure decisions, in seconds of one monotonic clock.

    ``refresh_seconds``: age at which keys are fetched again in the background. ``max_age_seconds``: age after which
    keys are dropped, so that an attacker who blocks the fetch cannot keep a removed key valid. ``retry_seconds``:
    minimum time between two attempts. ``max_unknown_kid_fetches``: fetches for unknown kids per ``cooldown_seconds``.
    The limit exists because an attacker can invent kids; it is above one because an issuer may replace its keys at
    any time, and its new tokens must not wait for the end of the cooldown.
    """

    refresh_seconds: float = 300.0
    max_age_seconds: float = 86400.0
    retry_seconds: float = 5.0
    cooldown_seconds: float = 30.0
    max_unknown_kid_fetches: int = 3
    fetched_at: float = _MINUS_INFINITY
    tried_at: float = _MINUS_INFINITY
    failed: bool = False
    unknown_kid_fetches: tuple[float, ...] = ()

    @property
    def due_at(self) -> float:
        """Monotonic time from which a refresh is due."""
        return max(self.fetched_at + self.refresh_seconds, self.tried_at + self.retry_seconds)

    def is_usable(self, now: float) -> bool:
        """Return True while the cached keys may still be used."""
        return now - self.fetched_at <= self.max_age_seconds

    def can_fetch_unknown_kid(self, now: float) -> bool:
        """Return True if an unknown kid may trigger a fetch."""
        return (
            now - self.tried_at >= self.retry_seconds and len(self._recent_fetches(now)) < self.max_unknown_kid_fetches
        )

    def record_unknown_kid_fetch(self, now: float) -> None:
        """Count a fetch that an unknown kid triggered."""
        self.unknown_kid_fetches = (*self._recent_fetches(now), now)

    def _recent_fetches(self, now: float) -> tuple[float, ...]:
        return tuple(each for each in self.unknown_kid_fetches if now - each < self.cooldown_seconds)


class KeySource(Protocol):
    """Source of a verifier's keys. ``due_at``: monotonic time from which ``refresh_if_due`` must be called."""

    @property
    def current(self) -> KeySet | None: ...
    @property
    def due_at(self) -> float: ...
    def refresh_if_due(self) -> "Future[None] | None":
        """Start a refresh that is due. Return a future to wait for while there are no keys. Raises ``Unavailable``."""
        ...

    def fetch_for_unknown_kid(self) -> "Future[None] | None":
        """Fetch keys for an unknown kid. Return a future to wait for, or None if no fetch is allowed."""
        ...


class FixedKeys:
    """Source of a fixed key set: never fetched, never due."""

    __slots__ = ("current", "due_at")

    def __init__(self, keys: KeySet) -> None:
        self.current: KeySet = keys
        self.due_at = float("inf")

    def refresh_if_due(self) -> None:
        """Do nothing: a fixed key set is never due."""

    def fetch_for_unknown_kid(self) -> None:
        """Do nothing: a fixed key set has no issuer to fetch from."""


class KeyCache:
    """Cache of the key set at the JWKS URL. ``locate`` returns that URL; it runs in the fetching thread and may block.

    ``current`` stays the same object while the document is unchanged, so that tokens cached with it stay cached.
    A changed document becomes a new object, and tokens cached with the old one are verified again.
    """

    def __init__(
        self,
        locate: Callable[[], str],
        *,
        schedule: KeySchedule | None = None,
        send: Fetch = fetch,
        monotonic: Callable[[], float] = boottime,
    ) -> None:
        self.current: KeySet | None = None
        self.due_at = _MINUS_INFINITY
        self._schedule = schedule or KeySchedule()
        self._locate = locate
        self._send = send
        self._monotonic = monotonic
        self._lock = ForkSafeLock()
        self._pending_fetch: Future[None] | None = None
        self._thread: Thread | None = None
        self._document = b""
        self._outage = OutageLog("the issuer's keys cannot be fetched")

    @property
    def problem(self) -> str:
        """Reason why the last fetch failed; empty after a success."""
        return self._outage.message

    def refresh_if_due(self) -> Future[None] | None:
        """Implement ``KeySource``. Keys older than ``max_age_seconds`` are dropped."""
        now = self._monotonic()
        with self._lock:
            if self.current is not None and not self._schedule.is_usable(now):
                self.current = None
            pending = self._start_fetch(now) if now >= self.due_at or self._has_lost_thread() else self._pending_fetch
            if self.current is not None:
                return None
            if pending is None:
                raise Unavailable("the issuer's keys could not be fetched; retry in a few seconds")
            return pending

    def fetch_for_unknown_kid(self) -> Future[None] | None:
        """Implement ``KeySource``. Raises ``Unavailable`` in a cooldown after a failed fetch: the kid may be new."""
        now = self._monotonic()
        with self._lock:
            if self._pending_fetch is None:
                if self._schedule.can_fetch_unknown_kid(now):
                    self._schedule.record_unknown_kid_fetch(now)
                elif self._schedule.failed:
                    raise Unavailable("the last fetch of the issuer's keys failed")
                else:
                    return None
            return self._start_fetch(now)

    def _start_fetch(self, now: float) -> Future[None]:
        """Return the future of the pending fetch, or start a fetch. Call with the lock held."""
        if self._pending_fetch is not None and not self._has_lost_thread():
            return self._pending_fetch
        pending = self._pending_fetch = Future[None]()
        pending.set_running_or_notify_cancel()
        self._schedule.tried_at = now
        self.due_at = self._schedule.due_at
        try:
            self._thread = start_thread(Thread(target=self._fetch, args=(pending,), name="keyturn-keys", daemon=True))
        except Unavailable as error:
            self._outage.failed(error)
            self._finish_fetch(failed=True)
            pending.set_exception(error)
        return pending

    def _has_lost_thread(self) -> bool:
        """Return True if the thread of the pending fetch does not run: a fork does not copy threads."""
        return self._pending_fetch is not None and (self._thread is None or not self._thread.is_alive())

    def _fetch(self, pending: Future[None]) -> None:
        try:
            document = self._send(request(self._locate()))
            keys = self._read(document)
        except Exception as error:
            self._outage.failed(error)
            with self._lock:
                self._finish_fetch(failed=True)
            pending.set_exception(error)
            return
        with self._lock:
            self.current, self._document = keys, document
            # The age counts from the request: the response may be that old.
            self._schedule.fetched_at = self._schedule.tried_at
            self._finish_fetch(failed=False)
        self._outage.recovered()
        pending.set_result(None)

    def _read(self, document: bytes) -> KeySet:
        current = self.current
        if current is not None and document == self._document:
            return current
        try:
            keys = KeySet.from_jwks(document)
        except ConfigurationError as error:
            raise Unavailable(f"the key set of the issuer: {error}") from error
        if not len(keys):
            # An issuer that publishes no keys is misconfigured: its tokens are unverifiable for now, not invalid.
            raise Unavailable("the issuer publishes no key this verifier can use")
        return keys

    def _finish_fetch(self, *, failed: bool) -> None:
        """Record the result and schedule the next fetch. Call with the lock held."""
        self._schedule.failed = failed
        self.due_at = self._schedule.due_at
        self._pending_fetch = None

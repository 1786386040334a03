"""Circuit breaker: after a failure, calls are skipped for a while, so that an unreachable Redis delays no request."""

from collections.abc import Callable
from threading import Lock

from keyturn.core.backoff import backoff_seconds

MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 15.0


class CircuitBreaker:
    """Thread-safe circuit breaker with exponential backoff. ``monotonic``: monotonic seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._failures = 0
        self._retry_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """True while the circuit is open: the last call failed."""
        return self._failures > 0

    def allow(self) -> bool:
        """Return True if a call may be made. After each backoff, one caller may probe; the others wait again."""
        if not self._failures:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._backoff_seconds()
            return True

    def record_failure(self) -> None:
        """Open the circuit after a failed call, with twice the last backoff."""
        with self._lock:
            self._failures += 1
            self._retry_at = self._monotonic() + self._backoff_seconds()

    def record_success(self) -> None:
        """Close the circuit after a successful call."""
        self._failures = 0

    def _backoff_seconds(self) -> float:
        return backoff_seconds(self._failures, MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)

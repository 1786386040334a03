"""Circuit breaker: after a failure, calls are skipped for a while, so that an unreachable Redis delays no request."""

from collections.abc import Callable
from threading import Lock

MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 15.0


class CircuitBreaker:
    """Thread-safe circuit breaker with exponential backoff. ``monotonic``: monotonic seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._backoff_seconds = 0.0
        self._retry_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """True while the circuit is open: the last call failed."""
        return self._backoff_seconds > 0

    def allow(self) -> bool:
        """Return True if a call may be made. After each backoff, one caller may probe; the others wait again."""
        if not self._backoff_seconds:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._backoff_seconds
            return True

    def record_failure(self) -> None:
        """Open the circuit after a failed call, with twice the last backoff."""
        with self._lock:
            backoff = min(MAX_BACKOFF_SECONDS, max(MIN_BACKOFF_SECONDS, 2 * self._backoff_seconds))
            self._backoff_seconds, self._retry_at = backoff, self._monotonic() + backoff

    def record_success(self) -> None:
        """Close the circuit after a successful call."""
        self._backoff_seconds = 0.0

"""Breaker: after a failure, nobody asks again for a while. A Redis that is away must cost requests nothing."""

from collections.abc import Callable
from threading import Lock

MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 15.0


class CircuitBreaker:
    """For any number of threads. ``monotonic``: seconds that never go back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._backoff_seconds = 0.0
        self._retry_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the last that was heard is a failure."""
        return self._backoff_seconds > 0

    def allow(self) -> bool:
        """Whether to ask. After a pause one caller is let through to see; the others wait another."""
        if not self._backoff_seconds:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._backoff_seconds
            return True

    def record_failure(self) -> None:
        """It did not answer."""
        with self._lock:
            backoff = min(MAX_BACKOFF_SECONDS, max(MIN_BACKOFF_SECONDS, 2 * self._backoff_seconds))
            self._backoff_seconds, self._retry_at = backoff, self._monotonic() + backoff

    def record_success(self) -> None:
        """It did."""
        self._backoff_seconds = 0.0

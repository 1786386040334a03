"""Change notifier over a blocking read of the log in Redis."""

from threading import Event
from typing import Final

from keyturn.stores.redis.keys import COUNTS, LOG
from keyturn.stores.redis.operation import RedisCall, RedisOperation, Run

INTERVAL_SECONDS: Final = 0.25
"""Longest blocking read, well below the connection's timeout, and the longest delay of a revocation."""


def _read_counts() -> RedisOperation[tuple[bytes | None, bytes | None]]:
    appended, log = yield RedisCall("HMGET", (COUNTS,), (b"s", b"l"))
    return appended, log


def _wait(after: bytes, milliseconds: int) -> RedisOperation[None]:
    yield RedisCall("XREAD", (LOG,), (after + b"-0",), prefix=("BLOCK", milliseconds, "STREAMS"))


class StreamNotifier:
    """``ChangeNotifier`` over XREAD BLOCK: an append wakes the blocked connection."""

    interval_seconds = INTERVAL_SECONDS

    def __init__(self, run: Run) -> None:
        self._run = run
        self._appended = b"0"

    def change_token(self) -> object:
        """Return the last sequence number and the log id. Raises ``StoreUnavailable``."""
        counts = self._run(_read_counts())
        self._appended = counts[0] or b"0"
        return counts

    def wait(self, seconds: float, stop: Event) -> None:
        """Wait for an entry after the last one that ``change_token`` saw, ``seconds`` at most."""
        if not stop.is_set():
            self._run(_wait(self._appended, max(1, int(1000 * min(seconds, INTERVAL_SECONDS)))))

    def close(self) -> None:
        """Do nothing: the connection belongs to the store."""

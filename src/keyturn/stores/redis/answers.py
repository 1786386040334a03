"""Answers of a Redis: each whole within its time. A socket's timeout bounds each piece: a server, or whoever stands
between, that drips a byte now and then would hold a thread for ever (CWE-400)."""

import time
from typing import Any, Final

import redis

_parsers: Any = (
    redis._parsers
)  # the library names no public parser; tests/stores/test_redis_drips.py sees that this is one
_WHENEVER: Final[Any] = object()


def bounded(connection: Any) -> None:
    """Open ``connection`` so that its own timeout bounds each answer."""
    connection.set_parser(_BoundedParser)
    connection.on_connect()


class _BoundedParser(_parsers._HiredisParser):  # type: ignore[misc]  # untyped, as all of the library's parsers
    _ends_at: float | None = None

    def read_response(self, *arguments: Any, **names: Any) -> Any:
        self._ends_at = None
        return super().read_response(*arguments, **names)

    def read_from_socket(self, timeout: Any = _WHENEVER, raise_on_timeout: bool = True) -> Any:
        if timeout is not _WHENEVER:
            return super().read_from_socket(timeout, raise_on_timeout)
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._socket_timeout
            return super().read_from_socket()
        if now >= self._ends_at:
            raise redis.TimeoutError
        return super().read_from_socket(self._ends_at - now)

    def handle_push_response(self, response: Any) -> Any:
        # Nothing is pushed to who has asked for nothing (RESP2); each would be a new answer, with time of its own.
        raise redis.InvalidResponse

"""Answers of a Redis: each whole within its time. A socket's timeout bounds each piece: a server, or whoever stands
between, that drips a byte now and then would hold a thread for ever (CWE-400)."""

import time
from typing import Any, Final

import redis

_library: Any = redis
# None is public; tests/stores/test_redis_slow_replies.py sees to it that this one still reads as it did.
_Parser: Any = _library._parsers._HiredisParser
_NO_DEADLINE: Final[Any] = object()


def use_bounded_parser(connection: Any) -> None:
    """Open ``connection`` so that its own timeout bounds each answer."""
    connection.set_parser(_BoundedParser)
    connection.on_connect()


class _BoundedParser(_Parser):  # type: ignore[misc]  # untyped, as all of the library's parsers
    _ends_at: float | None = None

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        self._ends_at = None
        base: Any = super()
        return base.read_response(*args, **kwargs)

    def read_from_socket(self, timeout: Any = _NO_DEADLINE, raise_on_timeout: bool = True) -> Any:
        base: Any = super()
        if timeout is not _NO_DEADLINE:
            return base.read_from_socket(timeout, raise_on_timeout)
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._socket_timeout
            return base.read_from_socket()
        if now >= self._ends_at:
            raise _library.TimeoutError
        return base.read_from_socket(self._ends_at - now)

    def handle_push_response(self, *_arguments: Any, **_names: Any) -> Any:
        # Nothing is pushed to who has asked for nothing (RESP2); each would be a new answer, with time of its own.
        raise _library.InvalidResponse

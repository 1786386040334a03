"""Parser of Redis replies with a deadline for the whole reply.

A socket timeout bounds each read only: a server or proxy that sends one byte now and then blocks a thread forever
(CWE-400).
"""

import time
from typing import Any, Final

import redis

_library: Any = redis
# redis-py has no public parser; tests/stores/test_redis_slow_replies.py checks that this one still works as expected.
_Parser: Any = _library._parsers._HiredisParser
_NO_DEADLINE: Final[Any] = object()


def use_bounded_parser(connection: Any) -> None:
    """Open ``connection`` with a parser that applies the connection's timeout to each whole reply."""
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
        # RESP2 without subscriptions has no push messages; each would count as a new reply with a new deadline.
        raise _library.InvalidResponse

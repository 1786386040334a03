"""Deadline for a whole HTTP response: status line, headers and framing included.

A socket timeout bounds each read only: a server that sends one byte now and then blocks a thread forever (CWE-400).
"""

import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request


class Deadline:
    """Deadline ``seconds`` after construction or the last ``restart``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Restart the full time from now."""
        self._ends_at = time.monotonic() + self._seconds

    def remaining_seconds(self) -> float:
        """Return the seconds left, above 0. Raises ``TimeoutError`` after the deadline."""
        remaining = self._ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


class BoundedResponse(HTTPResponse):
    """HTTP response with a ``deadline``: the connection's timeout, counted from the sending of the request."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.deadline = Deadline(sock.gettimeout() or 0.0)
        self.fp = BufferedReader(_DeadlineReader(self.fp, sock, self.deadline))


class _DeadlineReader(RawIOBase):
    def __init__(self, reader: BufferedReader, sock: socket, deadline: Deadline) -> None:
        self._reader, self._sock, self._deadline = reader.detach(), sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.remaining_seconds())
        return self._reader.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._reader.close()


class _Connection(HTTPConnection):
    response_class = BoundedResponse


class _SecureConnection(HTTPSConnection):
    response_class = BoundedResponse


class BoundedHandler(HTTPHandler):
    """Handler for http URLs whose responses have a deadline."""

    def http_open(self, req: Request) -> HTTPResponse:
        """Send ``req`` and return a ``BoundedResponse``."""
        connection_class: Any = _Connection
        return self.do_open(connection_class, req)


class BoundedSecureHandler(HTTPSHandler):
    """Handler for https URLs whose responses have a deadline."""

    def https_open(self, req: Request) -> HTTPResponse:
        """Send ``req`` and return a ``BoundedResponse``."""
        connection_class: Any = _SecureConnection
        return self.do_open(connection_class, req)

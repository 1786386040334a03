"""Deadline: one bound for the whole of an HTTP answer, its status line, its headers and its framing included.

A socket's own timeout bounds each read: a server that drips a byte now and then holds a thread for ever (CWE-400).
"""

import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request


class Deadline:
    """``seconds`` from now, or from the last ``restart``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._ends_at = time.monotonic() + self._seconds

    def remaining_seconds(self) -> float:
        """Above 0. Raises ``TimeoutError`` once it has passed."""
        remaining = self._ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


class BoundedResponse(HTTPResponse):
    """Read until ``deadline``: the timeout of its connection, from when the request was sent."""

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
    """Opens http URLs."""

    def http_open(self, req: Request) -> HTTPResponse:
        """Send ``req``; its answer is a ``BoundedResponse``."""
        connection_class: Any = _Connection
        return self.do_open(connection_class, req)


class BoundedSecureHandler(HTTPSHandler):
    """Opens https URLs."""

    def https_open(self, req: Request) -> HTTPResponse:
        """Send ``req``; its answer is a ``BoundedResponse``."""
        connection_class: Any = _SecureConnection
        return self.do_open(connection_class, req)

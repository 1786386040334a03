"""HTTP byte by byte, for what no well-behaved client would send."""

import select
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


class RawConnection:
    """One TCP connection to a server. Closed with the ``with`` statement."""

    def __init__(self, url: str, seconds: float = 30.0) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=seconds)

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def drip(self, octets: Iterable[int], pause_seconds: float) -> None:
        """Send one byte at a time, until the other side answers or hangs up."""
        for each in octets:
            try:
                self.socket.sendall(bytes((each,)))
            except OSError:
                return
            if select.select([self.socket], [], [], pause_seconds)[0]:
                return

    def reply(self) -> tuple[int, dict[str, str], bytes]:
        """Read the next reply: status, headers, and a body of Content-Length bytes."""
        return self.reply_after(b"")

    def reply_after(self, head: bytes) -> tuple[int, dict[str, str], bytes]:
        """As ``reply``, its first bytes read already. Raises ``EOFError`` when it is not whole."""
        while not head.endswith(b"\r\n\r\n"):
            head += self._more(1)
        status, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, self._body(int(headers.get("content-length", 0)))

    def rest(self) -> bytes:
        """Everything until the other side hangs up."""
        whole = b""
        try:
            while chunk := self.socket.recv(65536):
                whole += chunk
        except ConnectionResetError:
            pass
        return whole

    def _body(self, size: int) -> bytes:
        body = b""
        while len(body) < size:
            body += self._more(size - len(body))
        return body

    def _more(self, size: int) -> bytes:
        chunk = self.socket.recv(size)
        if not chunk:
            raise EOFError("the server hung up")
        return chunk

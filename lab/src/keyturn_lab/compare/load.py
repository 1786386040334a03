"""Load generator: requests over keep-alive connections from one event loop."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

_HEADERS = (
    "Host: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: */*\r\nSec-Fetch-Site: same-origin\r\n"
)


@dataclass(slots=True)
class LoadResult:
    """Result of a load run.

    ``waits``: seconds per request, sorted. ``sent``, ``received``: mean bytes of one request and of its response.
    """

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    sent: float = 0.0
    received: float = 0.0

    def quantile(self, share: float) -> float:
        """Return the seconds within which ``share`` of the requests were answered; 0 without requests."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))] if self.waits else 0.0


def request_of(credential: str, path: str = "/") -> bytes:
    """Return a request with ``credential`` as a header line."""
    return f"GET {path} HTTP/1.1\r\n{_HEADERS}{credential}\r\n\r\n".encode()


def load(
    ports: Sequence[int], credentials: Sequence[str], seconds: float, connections: int, path: str = "/"
) -> LoadResult:
    """Send requests without pause for ``seconds``, over ``connections`` connections to each port."""
    return asyncio.run(_load(ports, [request_of(each, path) for each in credentials], seconds, connections))


async def _load(ports: Sequence[int], requests: list[bytes], seconds: float, connections: int) -> LoadResult:
    loaded, end_at = LoadResult(), time.monotonic() + seconds
    began_at = time.monotonic()
    await asyncio.gather(
        *(_ask(port, requests, end_at, loaded, number) for port in ports for number in range(connections))
    )
    loaded.seconds = time.monotonic() - began_at
    loaded.waits.sort()
    count = max(1, len(loaded.waits))
    loaded.sent, loaded.received = loaded.sent / count, loaded.received / count
    return loaded


async def _ask(port: int, requests: list[bytes], end_at: float, loaded: LoadResult, first: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turns = cycle(requests[first % len(requests) :] + requests[: first % len(requests)])
    try:
        while (began_at := time.monotonic()) < end_at:
            sent = next(turns)
            writer.write(sent)
            status, received = await _answer(reader)
            loaded.waits.append(time.monotonic() - began_at)
            loaded.statuses[status] = loaded.statuses.get(status, 0) + 1
            loaded.sent += len(sent)
            loaded.received += received
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = await reader.readexactly(length)
    return int(head[9:12]), len(head) + len(body)

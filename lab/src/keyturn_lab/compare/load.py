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

    ``latencies``: seconds per request, sorted. ``sent``, ``received``: mean bytes of one request and of its response.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    sent: float = 0.0
    received: float = 0.0

    def quantile(self, share: float) -> float:
        """Return the seconds within which ``share`` of the requests were answered; 0 without requests."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] if self.latencies else 0.0


def request_of(credential: str, path: str = "/") -> bytes:
    """Return a request with ``credential`` as a header line."""
    return f"GET {path} HTTP/1.1\r\n{_HEADERS}{credential}\r\n\r\n".encode()


def load(
    ports: Sequence[int], credentials: Sequence[str], seconds: float, connections: int, path: str = "/"
) -> LoadResult:
    """Send requests without pause for ``seconds``, over ``connections`` connections to each port."""
    return asyncio.run(_load(ports, [request_of(each, path) for each in credentials], seconds, connections))


async def _load(ports: Sequence[int], requests: list[bytes], seconds: float, connections: int) -> LoadResult:
    result, end_at = LoadResult(), time.monotonic() + seconds
    started_at = time.monotonic()
    await asyncio.gather(
        *(_send_requests(port, requests, end_at, result, number) for port in ports for number in range(connections))
    )
    result.seconds = time.monotonic() - started_at
    result.latencies.sort()
    count = max(1, len(result.latencies))
    result.sent, result.received = result.sent / count, result.received / count
    return result


async def _send_requests(port: int, requests: list[bytes], end_at: float, result: LoadResult, first: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sequence = cycle(requests[first % len(requests) :] + requests[: first % len(requests)])
    try:
        while (started_at := time.monotonic()) < end_at:
            sent = next(sequence)
            writer.write(sent)
            status, received = await _read_response(reader)
            result.latencies.append(time.monotonic() - started_at)
            result.statuses[status] = result.statuses.get(status, 0) + 1
            result.sent += len(sent)
            result.received += received
    finally:
        writer.close()


async def _read_response(reader: asyncio.StreamReader) -> tuple[int, int]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = await reader.readexactly(length)
    return int(head[9:12]), len(head) + len(body)

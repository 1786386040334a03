"""The worker processes of a server, and one connection to each of them."""

import http.client
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from server_process import Served


def workers(served: Served) -> set[int]:
    """Process ids of the workers: the children of the supervisor that hold the listening port."""
    assert served.process is not None
    listening = _inodes(served.port, listening=True)
    return {pid for pid in _children(served.process.pid) if listening & _sockets(pid)}


class Line:
    """A kept connection, which one worker serves for as long as it is open."""

    def __init__(self, served: Served) -> None:
        self.url = served.url
        self._connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        self._connection.connect()
        self.port: int = self._connection.sock.getsockname()[1]

    def __call__(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
        """Status and JSON body. ``cookie``, ``authorization``: headers."""
        self._connection.request(method, path, headers=headers)
        reply = self._connection.getresponse()
        return reply.status, json.loads(reply.read())

    def close(self) -> None:
        self._connection.close()


@contextmanager
def line_to_each(served: Served, count: int) -> Iterator[dict[int, Line]]:
    """One line to each of ``count`` workers, by process id."""
    lines: dict[int, Line] = {}
    give_up_at = time.monotonic() + 60
    with ExitStack() as stack:
        while len(lines) < count:
            assert time.monotonic() < give_up_at, f"only {len(lines)} of {count} workers answer"
            line = Line(served)
            stack.callback(line.close)
            line("/livez")
            lines.setdefault(_owner(served, line.port), line)
        yield lines


def _owner(served: Served, port: int) -> int:
    inodes = _inodes(served.port, peer=port)
    return next(pid for pid in workers(served) if inodes & _sockets(pid))


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):  # it is just ending: its folder cannot be read then
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(each)))
    return found


def _inodes(port: int, *, peer: int | None = None, listening: bool = False) -> set[str]:
    """Sockets of this machine bound to ``port`` that listen, or whose other end is ``peer``."""
    found: set[str] = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(each.partition(":")[2], 16) for each in fields[1:3])
        if local == port and (fields[3] == "0A" if listening else remote == peer):
            found.add(fields[9])
    return found

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

from server_process import ServerProcess


def workers(server: ServerProcess) -> set[int]:
    """Process ids of the workers: the children of the supervisor that hold the listening port."""
    assert server.process is not None
    open_stream = _inodes(server.port, open_stream=True)
    return {pid for pid in _children(server.process.pid) if open_stream & _sockets(pid)}


class WorkerConnection:
    """A kept connection, which one worker serves for as long as it is open."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
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
def connect_to_each_worker(server: ServerProcess, count: int) -> Iterator[dict[int, WorkerConnection]]:
    """One line to each of ``count`` workers, by process id."""
    lines: dict[int, WorkerConnection] = {}
    give_up_at = time.monotonic() + 60
    with ExitStack() as stack:
        while len(lines) < count:
            assert time.monotonic() < give_up_at, f"only {len(lines)} of {count} workers answer"
            line = WorkerConnection(server)
            stack.callback(line.close)
            line("/livez")
            lines.setdefault(_owner(server, line.port), line)
        yield lines


def _owner(server: ServerProcess, port: int) -> int:
    inodes = _inodes(server.port, peer=port)
    return next(pid for pid in workers(server) if inodes & _sockets(pid))


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):  # it is just ending: its folder cannot be read then
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(each)))
    return found


def _inodes(port: int, *, peer: int | None = None, open_stream: bool = False) -> set[str]:
    """Sockets of this machine bound to ``port`` that listen, or whose other end is ``peer``."""
    found: set[str] = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(each.partition(":")[2], 16) for each in fields[1:3])
        if local == port and (fields[3] == "0A" if open_stream else remote == peer):
            found.add(fields[9])
    return found

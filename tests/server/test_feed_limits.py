"""What readers of the feed may not do to the server: be too many, take nothing. And what many of them cost."""

import json
import resource
import select
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from keyturn.core.revocation import ENDED
from keyturn.server.feed_stream import MAX_STREAMS, WRITE_SECONDS
from keyturn.stores.sql.tables import APPENDED
from server.feed import open_stream
from server.raw_http import RawConnection
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

ENTRIES = 60_000
"""About 8 MB of snapshot: more than a kernel takes for a reader who takes nothing."""

ASK = b"GET /auth/revocations HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"


@pytest.fixture
def open_files() -> Iterator[None]:
    """Room for a thousand connections, here and in servers that begin meanwhile; a user has 1,024 files at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > 2 * MAX_STREAMS, f"ulimit -Hn is {hard}: too few files for {MAX_STREAMS} streams and their readers"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(tmp_path: Path, open_files: None) -> Iterator[ServerProcess]:
    with run_server(tmp_path / "data", algorithm="ES256", revocation_staleness_seconds="10") as server:
        yield server


def fill(server: ServerProcess) -> None:
    """Have that many revocations in the log, as if they had been made."""
    until_at = int(time.time()) + 3600
    rows = [(n, "session", f"{n:022d}", ENDED, until_at - 3600, until_at) for n in range(1, ENTRIES + 1)]
    with sqlite3.connect(server.data / "keyturn.db", timeout=30) as store:
        store.executemany(
            "INSERT INTO revocations (sequence, kind, key, value, at, expires_at) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        store.execute("UPDATE counters SET value = ? WHERE name = ?", (ENTRIES, APPENDED))
    until(lambda: gauge(server, "keyturn_denylist_entries") == ENTRIES, lambda: "the log was not read")


def gauge(server: ServerProcess, name: str) -> float:
    lines = httpx.get(server.url + "/metrics", timeout=30).text.splitlines()
    return float(next(each for each in lines if each.startswith(name + " ")).split()[1])


def resident(server: ServerProcess) -> int:
    """Bytes of memory the server has."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def test_a_reader_that_does_not_read_is_disconnected(server: ServerProcess) -> None:
    fill(server)
    before = resident(server)
    parts = urlsplit(server.url)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((parts.hostname, parts.port))
        reader.sendall(ASK)
        until(lambda: gauge(server, "keyturn_feed_streams") == 1, lambda: "the stream did not begin")
        began_at = time.monotonic()
        with open_stream(server.url, "?after=0") as told:
            assert sum(len(next(told).data["entries"]) for _ in range(ENTRIES // 1000)) == ENTRIES
            assert next(told).data["stamp"], "others are told, and quickly"
        until(lambda: gauge(server, "keyturn_feed_streams") == 0, lambda: "it was never cut off", 6 * WRITE_SECONDS)
        assert time.monotonic() - began_at > WRITE_SECONDS / 2
        assert resident(server) - before < 32 * 1024 * 1024
        with suppress(ConnectionResetError):
            while reader.recv(65536):
                pass
    assert "unexpected" not in server.log.read_text()


def test_a_thousand_readers_hear_of_it_and_one_more_is_refused(server: ServerProcess) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    with ExitStack() as stack, server.client() as ada:
        assert ada.post("/auth/signup", json=body).status_code == 201
        wires = [stack.enter_context(RawConnection(server.url)) for _ in range(MAX_STREAMS)]
        for each in wires:
            each.send(ASK)
        until(lambda: gauge(server, "keyturn_feed_streams") == MAX_STREAMS, lambda: "not all were taken")
        with RawConnection(server.url) as late:
            late.send(ASK)
            status, headers, answer = late.reply()
        assert (status, json.loads(answer)["code"], headers["retry-after"]) == (503, "overloaded", "5")
        sid = ada.get("/auth/session").json()["sid"]
        assert ada.post("/auth/logout").json()["revoked"]
        events_read(wires, sid.encode())
        wires.pop().socket.close()
        until(lambda: gauge(server, "keyturn_feed_streams") == MAX_STREAMS - 1, lambda: "one who left is still counted")
        with open_stream(server.url, "?after=0") as told:
            assert sid in next(told).keys


def events_read(wires: list[RawConnection], what: bytes) -> None:
    """Wait until every one of them has been told."""
    poll, left = select.poll(), {each.socket.fileno(): each for each in wires}
    held = dict.fromkeys(left, b"")
    for number in left:
        poll.register(number, select.POLLIN)
    give_up_at = time.monotonic() + 60
    while left:
        assert time.monotonic() < give_up_at, f"{len(left)} were not told"
        for number, _ in poll.poll(1000):
            held[number] += left[number].socket.recv(65536)
            if what in held[number]:
                poll.unregister(number)
                del left[number]

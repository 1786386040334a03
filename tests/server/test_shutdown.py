"""Asked to stop under load: what was begun is answered whole, and nothing is half written."""

import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.raw_http import RawConnection
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

CLIENTS = 8
CUT_OFF = "timeout graceful shutdown exceeded"
"""Log line of uvicorn when it cancels requests after the shutdown timeout."""


class Caller(threading.Thread):
    """Sends requests on keep-alive connections until the server is gone. ``broken``: truncated replies."""

    def __init__(self, server: ServerProcess, request: bytes) -> None:
        super().__init__()
        self.server, self.request = server, request
        self.whole: list[int] = []
        self.broken: list[str] = []

    def run(self) -> None:
        try:
            while True:
                self.call()
        except OSError:
            return

    def call(self) -> None:
        with RawConnection(self.server.url) as connection:
            while True:
                connection.send(self.request)
                if not (first := connection.socket.recv(1)):
                    return
                try:
                    status, headers, body = connection.reply_after(first)
                    json.loads(body)
                except (EOFError, OSError, ValueError) as error:
                    self.broken.append(repr(error))
                    return
                self.whole.append(status)
                if headers.get("connection") == "close":
                    return


@pytest.mark.parametrize("workers", [1, 2])
def test_no_reply_is_half_written(tmp_path: Path, workers: int) -> None:
    with run_server(tmp_path / "data", workers=workers, algorithm="ES256") as server:
        body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"})
        with server.client() as client:
            client.post("/auth/signup", content=body, headers={"content-type": "application/json"})
        head = f"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        login = f"{head}\r\n\r\n{body}".encode()
        keys = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n"
        crowd = [Caller(server, login if n % 2 else keys) for n in range(CLIENTS)]
        for each in crowd:
            each.start()
        until(lambda: all(len(each.whole) > 1 for each in crowd))
        server.stop()
        for each in crowd:
            each.join(30)
        assert CUT_OFF not in server.log.read_text()
        assert [broken for each in crowd for broken in each.broken] == []
        assert {status for each in crowd for status in each.whole} == {200}


def test_a_login_under_way_is_finished(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256", hash_threads="1") as server, ExitStack() as stack:
        body = json.dumps({"email": "ada@example.com", "password": PASSWORD})
        head = f"POST /auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        wires = [stack.enter_context(RawConnection(server.url)) for _ in range(4)]
        for connection in wires:
            connection.send(f"{head}\r\n\r\n{body}".encode())
        # One password is hashed at a time: when the first is answered, the others are still under way.
        first = wires[0].reply()[0]
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        statuses = [first, *(connection.reply()[0] for connection in wires[1:])]
        assert sorted(statuses) == [201, 409, 409, 409]

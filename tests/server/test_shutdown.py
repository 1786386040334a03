"""Asked to stop under load: what was begun is answered whole, and nothing is half written."""

import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.raw_http import Wire
from server_process import Served, serving
from server_process.process import PASSWORD
from services.process import until

CLIENTS = 8
CUT_OFF = "timeout graceful shutdown exceeded"
"""What uvicorn logs when it has waited in vain for what is under way, and cuts it off."""


class Caller(threading.Thread):
    """Keeps asking on kept connections until nobody answers. ``broken``: replies that ended too early."""

    def __init__(self, served: Served, request: bytes) -> None:
        super().__init__()
        self.served, self.request = served, request
        self.whole: list[int] = []
        self.broken: list[str] = []

    def run(self) -> None:
        try:
            while True:
                self.call()
        except OSError:
            return

    def call(self) -> None:
        with Wire(self.served.url) as wire:
            while True:
                wire.send(self.request)
                if not (first := wire.socket.recv(1)):
                    return
                try:
                    status, headers, body = wire.reply_after(first)
                    json.loads(body)
                except (EOFError, OSError, ValueError) as error:
                    self.broken.append(repr(error))
                    return
                self.whole.append(status)
                if headers.get("connection") == "close":
                    return


@pytest.mark.parametrize("workers", [1, 2])
def test_no_reply_is_half_written(tmp_path: Path, workers: int) -> None:
    with serving(tmp_path / "data", workers=workers, algorithm="ES256") as served:
        body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"})
        with served.client() as client:
            client.post("/auth/signup", content=body, headers={"content-type": "application/json"})
        head = f"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        login = f"{head}\r\n\r\n{body}".encode()
        keys = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n"
        crowd = [Caller(served, login if n % 2 else keys) for n in range(CLIENTS)]
        for each in crowd:
            each.start()
        until(lambda: all(len(each.whole) > 1 for each in crowd))
        served.stop()
        for each in crowd:
            each.join(30)
        assert CUT_OFF not in served.log.read_text()
        assert [broken for each in crowd for broken in each.broken] == []
        assert {status for each in crowd for status in each.whole} == {200}


def test_a_login_under_way_is_finished(tmp_path: Path) -> None:
    with serving(tmp_path / "data", algorithm="ES256", hash_threads="1") as served, ExitStack() as stack:
        body = json.dumps({"email": "ada@example.com", "password": PASSWORD})
        head = f"POST /auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        wires = [stack.enter_context(Wire(served.url)) for _ in range(4)]
        for wire in wires:
            wire.send(f"{head}\r\n\r\n{body}".encode())
        # One password is hashed at a time: when the first is answered, the others are still under way.
        first = wires[0].reply()[0]
        assert served.process is not None
        served.process.send_signal(signal.SIGTERM)
        statuses = [first, *(wire.reply()[0] for wire in wires[1:])]
        assert sorted(statuses) == [201, 409, 409, 409]

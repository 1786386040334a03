"""WebSockets and streams under uvicorn, at an issuer and at a resource server, closed when their session ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from server_process.process import HIGH_LIMITS, PASSWORD
from services.ports import free_port

SERVICE_TOKEN = "t0ken-" * 8
STALENESS_SECONDS = 2


class Server:
    """The issuer (``issuer`` is None) or a resource server of one, as a process."""

    def __init__(self, folder: Path, issuer: str | None = None, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"{self.port}.log"
        own = {"PORT": str(self.port), "SERVICE_TOKEN": SERVICE_TOKEN} | ({"ISSUER": issuer} if issuer else {})
        keyturn = {
            "KEYTURN_DATA_DIR": str(folder / "data"),
            "KEYTURN_ISSUER": self.url,
            "KEYTURN_SERVICE_TOKEN": SERVICE_TOKEN,
            "KEYTURN_REVOCATION_STALENESS_SECONDS": str(STALENESS_SECONDS),
        }
        rest = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("socket_server.py"))],
                env={**rest, **HIGH_LIMITS, **keyturn, **settings, **own},
                stdout=log,
                stderr=log,
            )
        self._wait()

    def login(self, name: str, deliver: str = "both", path: str = "signup") -> httpx.Response:
        body = {"email": f"{name}@example.com", "password": PASSWORD, "deliver": deliver}
        response = httpx.post(f"{self.url}/auth/{path}", json=body, timeout=30)
        response.raise_for_status()
        return response

    def open(self, credential: str) -> ClientConnection:
        header = ("Cookie", credential) if credential.startswith("kt_") else ("Authorization", f"Bearer {credential}")
        url = f"ws://127.0.0.1:{self.port}/live"
        made = connect(url, additional_headers=[header], origin=self.url, open_timeout=30)  # type: ignore[arg-type]
        return made.__enter__()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(30)

    def _wait(self) -> None:
        give_up_at = time.monotonic() + 60
        while time.monotonic() < give_up_at and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(self.url, timeout=5)
                return
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("sockets")
    issuer = Server(folder)
    service = Server(folder, issuer.url)
    yield issuer, service
    service.stop()
    issuer.stop()


def cookie_of(response: httpx.Response) -> str:
    return f"kt_session={response.cookies['kt_session']}"


def is_echoed(socket: ClientConnection, text: str = "hello") -> bool:
    socket.send(text)
    return socket.recv(30) == text[:10]


def close_of(socket: ClientConnection, seconds: float = 30) -> tuple[int, str]:
    """Wait for the close of a socket. Return its code and reason."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(seconds)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def post(server: Server, path: str, credential: str, **json: object) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    headers["Cookie" if credential.startswith("kt_") else "Authorization"] = (
        credential if credential.startswith("kt_") else f"Bearer {credential}"
    )
    httpx.post(server.url + path, headers=headers, json=json or None, timeout=30).raise_for_status()


REVOCATIONS: dict[str, Callable[[Server, Any], None]] = {
    "logout": lambda issuer, token: post(issuer, "/auth/logout", token),
    "logout-all": lambda issuer, token: post(issuer, "/auth/logout-all", token),
}


@pytest.mark.parametrize("how", REVOCATIONS)
def test_sockets_end_with_their_session_and_outlive_others(servers: tuple[Server, Server], how: str) -> None:
    issuer, service = servers
    ended, kept = issuer.login(f"ada-{how}"), issuer.login(f"bob-{how}")
    token, other = ended.json()["access_token"], kept.json()["access_token"]
    closing = [issuer.open(cookie_of(ended)), issuer.open(token), service.open(token)]
    staying = [issuer.open(cookie_of(kept)), issuer.open(other), service.open(other)]
    assert all(is_echoed(each) for each in (*closing, *staying))
    post(issuer, "/auth/step-up", cookie_of(kept), password=PASSWORD)
    REVOCATIONS[how](issuer, token)
    assert [close_of(each) for each in closing] == [(4401, "session_ended")] * 3

    assert all(is_echoed(each) for each in staying)
    for each in staying:
        each.close()


def test_a_dead_or_missing_credential_opens_no_socket(servers: tuple[Server, Server]) -> None:
    issuer, _ = servers
    response = issuer.login("carol")
    post(issuer, "/auth/logout", cookie_of(response))
    for credential in (cookie_of(response), response.json()["access_token"]):
        with pytest.raises(InvalidStatus):
            issuer.open(credential)


def test_a_newer_token_is_presented_on_an_open_socket(servers: tuple[Server, Server]) -> None:
    issuer, service = servers
    first = issuer.login("dan").json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    newer = httpx.post(f"{issuer.url}/auth/token", data=form, timeout=30).json()["access_token"]
    for each in (issuer, service):
        socket = each.open(first["access_token"])
        assert is_echoed(socket, f"token {newer}")
        socket.close()


def test_a_stream_of_events_ends_with_its_session(servers: tuple[Server, Server]) -> None:
    for each in servers:
        response = servers[0].login(f"eve{each.port}")
        token = response.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{each.url}/live", headers=headers, timeout=30) as events:
            lines = events.iter_lines()
            assert next(lines) == "data: news"
            post(servers[0], "/auth/logout-all", token)
            assert set(lines) <= {"", "data: news"}, "the response is completed"


def test_a_stale_feed_closes_sockets_of_a_service_until_the_issuer_is_back(tmp_path: Path) -> None:
    issuer = Server(tmp_path)
    service = Server(tmp_path, issuer.url)
    try:
        token = issuer.login("frank").json()["access_token"]
        socket = service.open(token)
        assert is_echoed(socket)
        issuer.process.send_signal(signal.SIGSTOP)
        assert close_of(socket) == (1013, "revocation_unknown")
        issuer.process.send_signal(signal.SIGCONT)
        give_up_at = time.monotonic() + 60
        while True:
            try:
                again = service.open(token)
                break
            except InvalidStatus:
                assert time.monotonic() < give_up_at, "the service does not recover"
                time.sleep(0.1)
        assert is_echoed(again)
        again.close()
    finally:
        service.stop()
        issuer.stop()


@pytest.mark.long(stands_in="tests/connections/test_registry.py::test_a_token_connection_ends_at_exp")
def test_a_token_socket_ends_at_exp_and_a_cookie_socket_goes_on(tmp_path: Path) -> None:
    lives = {"KEYTURN_ACCESS_TOKEN_SECONDS": "60"}
    issuer = Server(tmp_path, **lives)
    try:
        response = issuer.login("gina")
        socket, kept = issuer.open(response.json()["access_token"]), issuer.open(cookie_of(response))
        assert close_of(socket, 90) == (4498, "token_expired")
        assert is_echoed(kept)
        kept.close()
    finally:
        issuer.stop()

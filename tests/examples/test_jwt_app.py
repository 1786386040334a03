"""``examples/jwt_app``, each API and the client by the commands of the README, beside a real server."""

import fcntl
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from docs.page import REPOSITORY
from examples.running import App, commands_of, environment, running
from server_process import ServerProcess

SERVE, SIGN_UP, FASTAPI, LITESTAR, CLIENT = commands_of("jwt_app")
APIS = {"fastapi": FASTAPI, "litestar": LITESTAR}
EMAIL, PASSWORD = "edith@example.com", "violet umbrella 7 o clock"
AN_HOUR_AGO = "-3600 all"
"""An access token that is issued then has expired by now."""
CALLS = 20
LOGINS = 6 * len(APIS)
"""Logins of an hour ago, one for each test that takes one."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Keyturn's server. Without a grace window, a second use of one refresh token ends the login.

    By its clock it was started an hour ago, logged ``LOGINS`` clients in, and was started again now.
    """
    assert SERVE == "KEYTURN_CREDENTIALS=jwt scripts/serve"
    folder = tmp_path_factory.mktemp("jwt_app")
    (folder / "clock").write_text(AN_HOUR_AGO)
    limits = {"KEYTURN_LOGIN_LIMIT_PER_ACCOUNT": "100"}  # the clients log in at the same time
    settings = {"KEYTURN_CREDENTIALS": "jwt", "KEYTURN_REFRESH_GRACE_SECONDS": "0", **limits}
    server = ServerProcess(folder / "data", settings=settings, clock=folder / "clock")
    server.start()
    try:
        signed_up = sh(SIGN_UP.replace("http://127.0.0.1:8000", server.url), folder)
        assert "access_token" in json.loads(signed_up.stdout)
        clients = [Client(server, "", folder / f"login-{number}.json") for number in range(LOGINS)]
        for process in [each.start(0, EMAIL=EMAIL, PASSWORD=PASSWORD) for each in clients]:
            lines_of(process)
        server.stop()
        (folder / "clock").write_text("")
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module", params=APIS)
def api(
    request: pytest.FixtureRequest, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    command = APIS[request.param]
    assert f" {request.param}_api:app --port 8001" in command
    with running(command, tmp_path_factory.mktemp("unused"), ISSUER=server.url) as started:
        yield started


class Client:
    """One user's client. ``orders``: the URL that it calls. ``tokens``: its file."""

    def __init__(self, server: ServerProcess, orders: str, tokens: Path) -> None:
        self._server, self._orders, self.tokens = server, orders, tokens

    def start(self, calls: int, umask: int = -1, **account: str) -> "subprocess.Popen[str]":
        """Start the command of the README with ``calls`` URLs."""
        command = CLIENT.partition(" http:")[0] + f" {self._orders}" * calls
        return subprocess.Popen(
            ["sh", "-ec", f"exec {command}"],
            cwd=REPOSITORY,
            env=environment(**{"ISSUER": self._server.url, "TOKENS": str(self.tokens), **account}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
            start_new_session=True,  # without a terminal, getpass reads the standard input
        )

    def run(self, calls: int, umask: int = -1) -> list[str]:
        """Run it to its end. Return the lines it prints."""
        return lines_of(self.start(calls, umask, EMAIL=EMAIL, PASSWORD=PASSWORD))

    def log_in_an_hour_ago(self) -> None:
        """Take a login of an hour ago, so that the access token has expired."""
        next(self._server.data.parent.glob("login-*.json")).rename(self.tokens)

    def saved(self) -> dict[str, str]:
        """Return the tokens in the file."""
        saved: dict[str, str] = json.loads(self.tokens.read_text())
        return saved


@pytest.fixture
def client(server: ServerProcess, api: App, tmp_path: Path) -> Client:
    return Client(server, f"{api.url}/orders", tmp_path / "tokens.json")


def sh(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-ec", command], cwd=folder, check=True, capture_output=True, text=True, timeout=60)


def lines_of(process: "subprocess.Popen[str]", typed: str = "") -> list[str]:
    printed, complaints = process.communicate(typed, timeout=60)
    assert process.returncode == 0, complaints
    return printed.splitlines()


def refreshes_of(server: ServerProcess) -> int:
    """Return how many requests to the token endpoint the server has answered."""
    text = httpx.get(f"{server.url}/metrics").text
    counts = re.findall(r'^keyturn_http_requests_total\{route="/auth/token",.*\} ([\d.]+)$', text, re.M)
    return int(sum(map(float, counts)))


def test_the_api_refuses_a_request_without_a_token(api: App) -> None:
    response = httpx.get(f"{api.url}/orders")
    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"


def test_the_api_answers_a_request_with_a_token(api: App, client: Client) -> None:
    assert client.run(0) == [""]
    tokens = client.saved()
    response = httpx.get(f"{api.url}/orders", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert response.json() == {"orders_of": tokens["subject"]}
    assert client.run(2) == [f'200 {{"orders_of":"{tokens["subject"]}"}}'] * 2


def test_the_client_asks_for_email_and_password(client: Client) -> None:
    [line] = lines_of(client.start(1), f"{EMAIL}\n{PASSWORD}\n")
    assert line.startswith("E-mail: 200 ")
    assert PASSWORD not in client.tokens.read_text()


def test_a_wrong_password_is_reported_and_no_token_is_saved(client: Client) -> None:
    process = client.start(1, EMAIL=EMAIL, PASSWORD="a bicycle made of sand")
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(complaints.partition(" ")[2].splitlines()[0])["code"] == "login_failed"
    assert not client.tokens.exists()


def test_twenty_calls_after_expiry_refresh_once(server: ServerProcess, client: Client) -> None:
    client.log_in_an_hour_ago()
    expired, before = client.saved(), refreshes_of(server)
    assert [each[:4] for each in client.run(CALLS)] == ["200 "] * CALLS
    assert refreshes_of(server) == before + 1
    assert client.saved()["refresh_token"] != expired["refresh_token"]
    assert [each[:4] for each in client.run(CALLS)] == ["200 "] * CALLS
    assert refreshes_of(server) == before + 1


def test_two_processes_at_once_refresh_once_and_stay_logged_in(server: ServerProcess, api: App, client: Client) -> None:
    client.log_in_an_hour_ago()
    before, refused = refreshes_of(server), api.log.count(" 401 ")
    with open(f"{client.tokens}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [client.start(CALLS // 2) for _ in range(2)]
        # All calls of both have met the expired token before the first of them may refresh it.
        api.wait_for(" 401 ", refused + CALLS)
        assert refreshes_of(server) == before
    assert [each[:4] for process in processes for each in lines_of(process)] == ["200 "] * CALLS
    assert refreshes_of(server) == before + 1
    assert client.run(1)[0].startswith("200 ")


def test_the_token_file_has_mode_600(client: Client) -> None:
    client.log_in_an_hour_ago()
    assert client.tokens.stat().st_mode & 0o777 == 0o600
    saved, inode = client.tokens.read_text(), client.tokens.stat().st_ino
    client.run(1, umask=0)
    assert client.tokens.stat().st_mode & 0o777 == 0o600
    # Replaced as a whole: a reader never sees a part of it.
    assert client.tokens.stat().st_ino != inode
    assert client.tokens.read_text() != saved
    assert sorted(os.listdir(client.tokens.parent)) == ["tokens.json", "tokens.json.lock"]


def test_a_login_that_was_ended_is_shown(server: ServerProcess, client: Client) -> None:
    client.log_in_an_hour_ago()
    httpx.post(f"{server.url}/auth/revoke", data={"token": client.saved()["refresh_token"]}).raise_for_status()
    process = client.start(1)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    status, _, body = complaints.splitlines()[0].partition(" ")
    assert (status, json.loads(body)["error"]) == ("400", "invalid_grant")
    assert complaints.splitlines()[1] == f"After invalid_grant, delete {client.tokens} to log in again."


class _Elsewhere(BaseHTTPRequestHandler):
    """A network's own login page in place of the issuer."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Please buy access.</html>")


def test_a_page_of_the_network_does_not_replace_the_tokens(client: Client) -> None:
    client.log_in_an_hour_ago()
    saved = client.tokens.read_text()
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.handle_request, daemon=True).start()
        process = client.start(1, ISSUER=f"http://127.0.0.1:{elsewhere.server_port}")
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaints.startswith("200 <html>")
    assert client.tokens.read_text() == saved


def test_a_link_in_place_of_the_lock_is_not_followed(client: Client) -> None:
    client.log_in_an_hour_ago()
    victim = client.tokens.with_name("victim")
    victim.write_text("precious")
    Path(f"{client.tokens}.lock").symlink_to(victim)
    process = client.start(1)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Too many levels of symbolic links" in complaints
    assert victim.read_text() == "precious"

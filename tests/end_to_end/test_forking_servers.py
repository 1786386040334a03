"""The integrations under servers that fork their workers: logins, and a revocation that reaches every worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from services.ports import free_port

FOLDER = Path(__file__).parent
PASSWORD = "violet umbrella 7 o clock"
SECONDS = 30


@contextmanager
def gunicorn(folder: Path, *options: str, **environment: str) -> Iterator[httpx.Client]:
    """Serve ``forked_app`` with two workers. Yield a client that opens a connection for each request."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = {
        "STORE": f"sqlite:///{folder / 'shop.db'}",
        "URL": url,
        "PYTHONPATH": str(FOLDER),
        "HOME": str(folder),
        **environment,
    }
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", *options]
    server = subprocess.Popen([*command, "forked_app:app"], cwd=folder, env={**os.environ, **given})
    try:
        with httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=SECONDS) as client:
            wait_for(client)
            yield client
    finally:
        server.terminate()
        server.wait(SECONDS)


def wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            assert client.get("/me").status_code == 401
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def processes_that_answer(client: httpx.Client, count: int) -> set[int]:
    """Ask until ``count`` workers have accepted the login."""
    seen: set[int] = set()
    deadline = time.monotonic() + SECONDS
    while len(seen) < count:
        assert time.monotonic() < deadline
        answer = client.get("/me")
        assert answer.status_code == 200, answer.text
        seen.add(answer.json()["process"])
    return seen


def wait_for_refusal(client: httpx.Client) -> None:
    """Ask until a dozen requests in a row are refused, whichever workers they reach."""
    deadline = time.monotonic() + SECONDS
    while {client.get("/me").json().get("code") for _ in range(12)} != {"token_revoked"}:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("environment", [{}, {"OPEN_AT_IMPORT": "1"}], ids=["first use", "opened before the fork"])
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["workers", "preload"])
def test_every_worker_accepts_a_login_and_refuses_it_after_a_revocation(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    with gunicorn(tmp_path, *options, **environment) as client:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}
        assert client.post("/auth/signup", json=body).status_code == 201
        processes_that_answer(client, 2)
        cookies = dict(client.cookies)
        assert client.post("/auth/logout-all").status_code == 200
        client.cookies.update(cookies)  # of a thief
        wait_for_refusal(client)

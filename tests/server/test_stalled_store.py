"""The store stops answering: 503 with Retry-After, never "accept" past the bound, never 401, no cookie cleared."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

BOUND_SECONDS = 4
SHM_LOCKS = (120, 8)
"""Where SQLite's WAL keeps its locks in the -shm file (its wal.c): every read and write needs one of them."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("stalled") / "data"
    with run_server(
        data, algorithm="ES256", revocation_staleness_seconds=str(BOUND_SECONDS), refresh_grace_seconds="300"
    ) as server:
        yield server


@pytest.fixture
def questions(server: ServerProcess) -> dict[str, tuple[str, str, dict[str, str], dict[str, str]]]:
    """One login, asked for in every way it can be."""
    with server.client() as client:
        body = {"email": f"ada{time.monotonic_ns()}@example.com", "password": PASSWORD, "deliver": "both"}
        issued = client.post("/auth/signup", json=body).json()
        cookie = {"cookie": f"kt_session={client.cookies['kt_session']}"}
    return {
        "cookie": ("GET", "/auth/session", cookie, {}),
        "bearer": ("GET", "/auth/session", {"authorization": f"Bearer {issued['access_token']}"}, {}),
        "refresh": (
            "POST",
            "/auth/token",
            {},
            {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]},
        ),
    }


@contextmanager
def stalled(server: ServerProcess) -> Iterator[None]:
    shared = os.open(server.data / "keyturn.db-shm", os.O_RDWR)
    start, length = SHM_LOCKS
    fcntl.lockf(shared, fcntl.LOCK_EX, length, start)
    try:
        yield
    finally:
        os.close(shared)


def ask(server: ServerProcess, question: tuple[str, str, dict[str, str], dict[str, str]]) -> httpx.Response:
    method, path, headers, form = question
    return httpx.request(method, server.url + path, headers=headers, data=form or None, timeout=60)


def test_a_stalled_store_is_503(
    server: ServerProcess, questions: dict[str, tuple[str, str, dict[str, str], dict[str, str]]]
) -> None:
    assert {ask(server, questions[name]).status_code for name in ("cookie", "bearer")} == {200}
    with stalled(server), ThreadPoolExecutor(5) as pool:
        time.sleep(BOUND_SECONDS)
        # The store stalls until the requests are answered: none waits for it.
        replies = dict(zip(questions, pool.map(lambda each: ask(server, each), questions.values()), strict=True))
        for name, reply in replies.items():
            expected = "store_unavailable" if name == "refresh" else "revocation_unknown"
            assert (reply.status_code, reply.json()["code"]) == (503, expected), name
            assert int(reply.headers["retry-after"]) >= 1
            assert "set-cookie" not in reply.headers
            assert "www-authenticate" not in reply.headers
        assert httpx.get(server.url + "/livez").status_code == 200
    until(lambda: httpx.get(server.url + "/readyz", timeout=30).status_code == 200)
    assert {name: ask(server, each).status_code for name, each in questions.items()} == dict.fromkeys(questions, 200)


def test_a_locked_store_still_authenticates(
    server: ServerProcess, questions: dict[str, tuple[str, str, dict[str, str], dict[str, str]]]
) -> None:
    other = sqlite3.connect(server.data / "keyturn.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert {ask(server, questions[name]).status_code for name in ("cookie", "bearer")} == {200}
        refresh = ask(server, questions["refresh"])
        assert (refresh.status_code, refresh.json()["code"]) == (503, "store_unavailable")
        assert refresh.json()["error"] == "temporarily_unavailable"
        logout = httpx.post(server.url + "/auth/logout", headers=questions["cookie"][2], timeout=30)
        assert (logout.status_code, "set-cookie" in logout.headers) == (503, False)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert {name: ask(server, each).status_code for name, each in questions.items()} == dict.fromkeys(questions, 200)


def test_a_server_whose_database_file_was_replaced_is_not_ready(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256", revocation_staleness_seconds="1") as server:
        (server.data / "keyturn.db").rename(tmp_path / "elsewhere.db")
        until(lambda: not httpx.get(server.url + "/readyz").json()["feed"])
        ready = httpx.get(server.url + "/readyz")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
        assert httpx.get(server.url + "/livez").status_code == 200

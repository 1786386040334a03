"""One server, two workers, for the whole main job; curl with and without a cookie jar; an account a test."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from end_to_end.curl import Curl
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("served") / "data", workers=2) as server:
        yield server


@pytest.fixture
def browser(server: ServerProcess, tmp_path: Path) -> Curl:
    return Curl(server.url, tmp_path / "jar")


@pytest.fixture
def mobile(server: ServerProcess) -> Curl:
    return Curl(server.url)


@pytest.fixture
def ada(server: ServerProcess) -> dict[str, str]:
    """Sign up a new account and return its email and password."""
    account = {"email": f"ada{next(_numbers)}@example.com", "password": PASSWORD}
    assert Curl(server.url).post("/auth/signup", account).status == 201
    return account

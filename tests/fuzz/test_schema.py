"""Schemathesis over the live server's own OpenAPI document: no 5xx, every answer documented, and nothing lost.

Callers: anonymous, a session, a session that is ended, and a resource server. The same examples every
time. A stranger's login, made before, is good after all of it.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from effort import effort
from server_process import ServerProcess, run_server

SEED = "20260729"
EXAMPLES = str(effort(2, 40))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "allow_header_conformance",
)
ENDING = r"/auth/(logout|logout-all|logout-others|sessions/\{sid\})$"
OF_SERVICES = r"/auth/(introspect|revocations)$"


@dataclass
class Target:
    server: ServerProcess
    control_login: httpx.Client
    refresh_token: str

    def member(self, name: str) -> str:
        account = {"email": f"{name}@example.com", "password": "a bicycle made of rain", "deliver": "tokens"}
        return str(httpx.post(self.server.url + "/auth/signup", json=account).json()["access_token"])

    def service(self) -> str:
        return (self.server.data / "service-token").read_text().strip()

    def assert_unharmed(self) -> None:
        assert self.control_login.get("/auth/session").status_code == 200
        grant = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        answer = self.control_login.post("/auth/token", data=grant)
        assert answer.status_code == 200
        self.refresh_token = answer.json()["refresh_token"]
        assert self.control_login.get("/readyz").status_code == 200


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    data = tmp_path_factory.mktemp("schema") / "data"
    with (
        run_server(data, workers=effort(1, 2), algorithm="ES256", login_limit_per_account="100") as server,
        server.client() as control_login,
    ):
        account = {"email": "bystander@example.com", "password": "a bicycle made of rain", "deliver": "both"}
        issued = control_login.post("/auth/signup", json=account).json()
        yield Target(server, control_login, issued["refresh_token"])


def run(target: Target, folder: Path, *options: str) -> int:
    """Answers how many cases were tried; whatever a check objected to is in the failure's message."""
    command = [
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            target.server.url + "/openapi.json",
            "--no-color",
        ),
        *("--seed", SEED, "--max-examples", EXAMPLES, "--generation-database", "none", "--mode", "all"),
        *("--phases", "coverage,fuzzing", "--checks", ",".join(CHECKS), "--continue-on-failure", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.search(r"(\d+) generated, \1 passed", done.stdout)
    assert tried, done.stdout
    return int(tried[1])


def bearer(token: str) -> tuple[str, str]:
    return "--header", f"Authorization: Bearer {token}"


def test_schemathesis_without_credentials(target: Target, tmp_path: Path) -> None:
    assert run(target, tmp_path) > effort(300, 500)
    target.assert_unharmed()


def test_schemathesis_with_a_session(target: Target, tmp_path: Path) -> None:
    token = target.member("somebody")
    tried = run(target, tmp_path, *bearer(token), "--exclude-path-regex", f"{ENDING}|{OF_SERVICES}")
    assert tried > effort(200, 300)
    # None of it ended the session that all of it was done with.
    answer = target.control_login.get("/auth/session", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    target.assert_unharmed()


def test_schemathesis_with_a_session_that_is_ended(target: Target, tmp_path: Path) -> None:
    assert run(target, tmp_path, *bearer(target.member("leaving")), "--include-path-regex", ENDING) > 20
    target.assert_unharmed()


def test_a_resource_server(target: Target, tmp_path: Path) -> None:
    assert run(target, tmp_path, *bearer(target.service()), "--include-path-regex", OF_SERVICES) > 40
    target.assert_unharmed()


def test_the_log_of_all_this_holds_no_surprise(target: Target) -> None:
    log = target.server.log.read_text()
    assert '"event": "unexpected"' not in log
    assert "Traceback" not in log
    assert not re.search(r'"status": 5\d\d', log)

"""``keyturn serve``: what it says first, what it refuses, and what survives the rollover of a secret."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from cli.command import SECRET, SERVICE_TOKEN, CommandResult, in_process, keyturn, production
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.ports import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two workers, and no account until the page that the project begins with is tried."""
    with run_server(tmp_path_factory.mktemp("shared") / "data", workers=2, algorithm="ES256") as server:
        yield server


def refusal(*arguments: str, **settings: str) -> CommandResult:
    """Run ``keyturn serve`` with arguments that it must refuse, and return the result."""
    with patch("uvicorn.run", side_effect=AssertionError("it serves")):
        return in_process("serve", *arguments, **settings)


def test_the_three_commands_it_prints_work_as_they_stand(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256") as server:
        commands = re.findall(r"^  (curl .*)$", server.log.read_text(), re.MULTILINE)
        assert len(commands) == 3
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        stdout = [
            subprocess.run(
                ["sh", "-c", each], cwd=folder, capture_output=True, text=True, timeout=30, check=True
            ).stdout
            for each in commands
        ]
        assert '"sid":' in stdout[0]
        assert '"credential":"session"' in stdout[1]
        assert '"revoked":true' in stdout[2]
        with run_server(tmp_path / "data", algorithm="ES256") as again:
            assert "created the data directory" not in again.log.read_text().split("Try:")[-2]
    log = server.log.read_text()
    assert f"created the data directory {tmp_path / 'data'}" in log
    assert "(mode 0600)" in log


def test_the_commands_of_the_readme_work(server: ServerProcess, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    script = readme.partition("In a second terminal,")[2].split("```")[1].removeprefix("sh\n")
    assert script.count("curl ") == 2
    script = script.replace("http://127.0.0.1:8000", server.url).replace("curl ", "curl -sf ")
    ran = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.count('"sid":') == 1
    assert "refresh_token" in json.loads((tmp_path / "login.json").read_text())


def test_files_of_the_data_directory_have_mode_600(server: ServerProcess) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in server.data.iterdir()}
    assert server.data.stat().st_mode & 0o777 == 0o700
    assert modes.pop("metrics") == 0o700
    assert set(modes) >= {"secret", "service-token", "keyturn.db"}
    assert set(modes.values()) == {0o600}


def test_production_lists_every_missing_setting(tmp_path: Path) -> None:
    refused = keyturn(
        *("serve", "--data-dir", str(tmp_path / "data"), "--environment", "production", "--port", str(free_port())),
        trusted_proxies="nowhere",
        trusted_origins="nothing",
        issuer="http://auth.example.com",
    )
    assert (refused.code, refused.stdout) == (2, "")
    for name in ("SECRET", "SERVICE_TOKEN", "STORE", "AUDIENCE", "ISSUER must be https", "trusted_proxies", "origin"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data").exists()


def test_production_starts_with_complete_settings_and_a_first_key(tmp_path: Path) -> None:
    settings = production(tmp_path)
    refused = refusal("--port", str(free_port()), **settings)
    assert refused.code == 2
    assert "keyturn keys add" in refused.stderr
    assert in_process("doctor", "--json", **settings).json == {"fit": True, "problems": []}
    assert in_process("keys", "add", "--json", **settings).json["state"] == "active"
    server = ServerProcess(tmp_path, settings={f"KEYTURN_{name.upper()}": value for name, value in settings.items()})
    server.start()
    try:
        with server.client() as client:
            body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}
            reply = client.post("/auth/signup", json=body)
            assert "__Host-kt_session=" in reply.headers["set-cookie"]
            assert "Secure" in reply.headers["set-cookie"]
            metadata = client.get("/.well-known/oauth-authorization-server").json()
            assert metadata["issuer"] == "https://auth.example.com"
    finally:
        server.stop()
    assert f"Keyturn serves https://auth.example.com on {server.url} (production)" in server.log.read_text()
    # The banner suggests no test account with a public password.
    assert "curl" not in server.log.read_text()
    assert SECRET not in server.log.read_text()
    assert SERVICE_TOKEN not in server.log.read_text()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"store": "memory:"}, "memory store"),
        ({"store": "nothing://x:hidden-word@y"}, "driver"),
        ({"store": "sqlite:////nowhere/keyturn.db"}, "cannot create"),
        ({"polcy": "mobile"}, "KEYTURN_POLCY is not a setting"),
        ({"trusted_proxies": "nowhere"}, "trusted_proxies"),
        ({"algorithm": "none"}, "none"),
        ({"environment": "prod"}, "environment must be one of development, production, not 'prod'"),
    ],
)
def test_an_invalid_setup_is_reported_before_a_worker_starts(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    arguments = ("--data-dir", str(tmp_path / "data"), "--workers", "2", "--port", str(free_port()))
    refused = refusal(*arguments, **settings)
    assert refused.code == 2
    assert words in refused.stderr
    assert "hidden-word" not in refused.stderr
    assert "curl" not in refused.stdout


def test_a_memory_store_is_served_by_one_worker(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", store="memory:", algorithm="ES256") as server, server.client() as client:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert client.post("/auth/signup", json=body).status_code == 201
        assert client.get("/auth/session").status_code == 200
        assert client.post("/auth/logout").status_code == 200
        assert client.get("/auth/session").status_code == 401


def test_a_secret_rollover_keeps_sessions(tmp_path: Path) -> None:
    new = "".join(reversed(SECRET))
    body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}
    with run_server(tmp_path / "data", secret=SECRET, algorithm="ES256") as server, server.client() as client:
        issued = client.post("/auth/signup", json=body).json()
        cookie = {"cookie": f"kt_session={client.cookies['kt_session']}"}
        bearer = {"authorization": f"Bearer {issued['access_token']}"}
        server.stop()
        server.settings |= {"KEYTURN_SECRET": new, "KEYTURN_SECRET_PREVIOUS": SECRET}
        server.start()
        assert [ask(server, each) for each in (cookie, bearer)] == [200, 200]
        form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        renewed = httpx.post(server.url + "/auth/token", data=form).json()
        assert ask(server, {"authorization": f"Bearer {renewed['access_token']}"}) == 200
        server.stop()
        # A key sealed under a secret that is no longer known must stop the start, not the logins one by one.
        refused = refusal("--data-dir", str(server.data), "--port", str(free_port()), secret=new[:-1] + "0")
        assert refused.code == 2
        assert "Traceback" not in refused.stderr


def ask(server: ServerProcess, headers: dict[str, str]) -> int:
    return httpx.get(server.url + "/auth/session", headers=headers).status_code


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_ends_the_server_with_words(server: ServerProcess, tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "other"
    refused = refusal("--data-dir", str(folder), "--port", str(server.port), "--workers", workers, algorithm="ES256")
    assert refused.code not in (0, None)
    assert f"port {server.port} is in use" in refused.stderr
    assert refused.stdout == ""
    assert not folder.exists()


def test_a_foreign_host_address_is_reported(tmp_path: Path) -> None:
    refused = refusal("--data-dir", str(tmp_path / "data"), "--host", "192.0.2.1", "--port", str(free_port()))
    assert refused.code == 2
    assert "cannot listen on 192.0.2.1" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_interrupted_from_the_keyboard_it_stops_in_order(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", workers=2, algorithm="ES256") as server:
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(30)
        assert "Traceback" not in server.log.read_text()

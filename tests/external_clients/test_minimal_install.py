"""A service that has Keyturn and nothing else: the wheel in an environment of its own, no extra, and a real issuer."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

from server_process import run_server
from server_process.process import PASSWORD

ROOT = Path(__file__).parents[2]
SERVICE = """
import asyncio, sys
from keyturn import AsyncVerifier, Verifier
from keyturn.errors import Refusal

issuer, token = sys.argv[1:]
verify = Verifier(issuer, audience=issuer, on_stale="refuse", staleness_seconds=30)

async def judge_awaited():
    with AsyncVerifier(issuer, audience=issuer, on_stale="refuse", staleness_seconds=30) as awaited:
        return (await awaited(token)).subject

print(verify(token).subject == asyncio.run(judge_awaited()), flush=True)
print(verify.wait_for_sequence(int(input()), wait_seconds=30), flush=True)
try:
    verify(token)
except Refusal as refusal:
    print(refusal.code, flush=True)
verify.close()
extras = {"redis", "sqlalchemy", "starlette", "argon2", "httpx"}
print(sorted(extras.intersection(sys.modules)))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter with only ``keyturn`` installed. It has no pip, which would take longest to install."""
    folder = tmp_path_factory.mktemp("alone")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, timeout=300, cwd=ROOT)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*_pip(python), "install", "-q", next(folder.glob("*.whl"))], check=True, timeout=300)
    return python


def _pip(python: Path) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]


def test_it_needs_two_libraries(python: Path) -> None:
    told = subprocess.run([*_pip(python), "list", "--format=json"], check=True, capture_output=True, timeout=60)
    found = {each["name"] for each in json.loads(told.stdout)}
    assert found == {"keyturn", "cryptography", "msgspec", "cffi", "pycparser"}, "cffi is cryptography's"


def test_a_minimal_install_verifies_and_follows_the_feed(python: Path, tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256", revocation_staleness_seconds="30") as server:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        issued = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
        command = [str(python), "-c", SERVICE, server.url, issued["access_token"]]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEYTURN"))}
        with subprocess.Popen(
            command, env=clean, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as service:
            assert service.stdin is not None
            assert service.stdout is not None
            assert service.stdout.readline() == "True\n"
            form = {"token": issued["refresh_token"]}
            revoked = httpx.post(server.url + "/auth/revoke", data=form, timeout=30).json()
            service.stdin.write(f"{revoked['sequence']}\n")
            service.stdin.flush()
            assert service.stdout.read().splitlines() == ["True", "token_revoked", "[]"]
            assert service.wait(30) == 0

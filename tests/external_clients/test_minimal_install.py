"""A service that has Keyturn and nothing else: the wheel in an environment of its own, no extra, and a real issuer."""

import subprocess
from pathlib import Path

import httpx
import pytest

from external_clients.wheel_environment import clean_environment, create_environment, list_packages
from server_process import run_server
from server_process.process import PASSWORD

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
    """Return an interpreter with only ``keyturn`` installed."""
    return create_environment(tmp_path_factory.mktemp("alone") / "venv")


def test_it_needs_two_libraries(python: Path) -> None:
    expected = {"keyturn", "cryptography", "msgspec", "cffi", "pycparser"}
    assert list_packages(python) == expected, "cffi is cryptography's"


def test_a_minimal_install_verifies_and_follows_the_feed(python: Path, tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256", revocation_staleness_seconds="30") as server:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        issued = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
        command = [str(python), "-c", SERVICE, server.url, issued["access_token"]]
        with subprocess.Popen(
            command, env=clean_environment(), cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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

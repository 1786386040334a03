"""A service that has Keyturn and nothing else: the wheel in an environment of its own, no extra, and a real issuer."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

from served import serving
from served.process import PASSWORD

ROOT = Path(__file__).parents[2]
SERVICE = """
import asyncio, sys
from keyturn import AsyncVerifier, Verifier
from keyturn.errors import Refusal

issuer, token = sys.argv[1:]
verify = Verifier(issuer, audience=issuer, unknown="refuse", staleness_seconds=30)

async def judge_awaited():
    with AsyncVerifier(issuer, audience=issuer, unknown="refuse", staleness_seconds=30) as awaited:
        return (await awaited(token)).subject

print(verify(token).subject == asyncio.run(judge_awaited()), flush=True)
print(verify.at_least(int(input()), wait_seconds=30), flush=True)
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
    """An interpreter that has been told ``pip install keyturn``."""
    folder = tmp_path_factory.mktemp("alone")
    pip = ["-m", "pip", "--disable-pip-version-check"]
    wheel = [sys.executable, *pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(wheel, check=True, timeout=300)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, *pip, "install", "-q", next(folder.glob("*.whl"))], check=True, timeout=300)
    return python


def test_it_needs_two_libraries(python: Path) -> None:
    told = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, timeout=60)
    found = {each["name"] for each in json.loads(told.stdout)}
    own = {"pip", "setuptools"}
    assert found - own == {"keyturn", "cryptography", "msgspec", "cffi", "pycparser"}, "cffi is cryptography's"


def test_it_verifies_follows_the_feed_and_refuses_what_was_ended(python: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "data", algorithm="ES256", staleness_seconds="30") as served:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        issued = httpx.post(served.url + "/auth/signup", json=body, timeout=30).json()
        command = [str(python), "-c", SERVICE, served.url, issued["access_token"]]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEYTURN"))}
        with subprocess.Popen(
            command, env=clean, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as service:
            assert service.stdin is not None
            assert service.stdout is not None
            assert service.stdout.readline() == "True\n"
            form = {"token": issued["refresh_token"]}
            revoked = httpx.post(served.url + "/auth/revoke", data=form, timeout=30).json()
            service.stdin.write(f"{revoked['sequence']}\n")
            service.stdin.flush()
            assert service.stdout.read().splitlines() == ["True", "token_revoked", "[]"]
            assert service.wait(30) == 0

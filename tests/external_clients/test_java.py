"""A Java service that knows the issuer's JWKS and nothing else: it accepts what the issuer signed, and no forgery."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keyturn.tokens import SigningKey, decode_base64url, encode_base64url, sign_compact
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

SOURCE = Path(__file__).with_name("Verify.java")
SMALL = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""It runs for a second: compiling itself well would cost more than it gains."""


class Service:
    """The program under way. One for all tests: a machine of Java's takes a second to start."""

    def __init__(self, folder: Path) -> None:
        compiler = ["javac", *(f"-J{each}" for each in SMALL), "-Xlint:all", "-Werror", "-d", str(folder), str(SOURCE)]
        subprocess.run(compiler, check=True, timeout=120)
        command = ["java", *SMALL, "-cp", str(folder), "Verify"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, url: str, *tokens: str, issuer: str = "", audience: str = "") -> list[str]:
        """Return what it says to each of ``tokens``, by the keys that are published at ``url``."""
        return [self._ask(f"{url}/.well-known/jwks.json {issuer or url} {audience or url} {each}") for each in tokens]

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("java"))
    yield service
    service.process.communicate(timeout=60)
    assert service.process.returncode == 0


@pytest.fixture(scope="module", params=["RS256", "ES256"])
def issued(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run an issuer, and yield its URL and an access token."""
    with run_server(tmp_path_factory.mktemp("java") / "data", algorithm=request.param) as server:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        answer = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
        yield server.url, answer["access_token"]


def segment(members: object) -> str:
    return encode_base64url(json.dumps(members).encode()).decode()


def test_a_java_service_accepts_a_token_of_the_issuer(java: Service, issued: tuple[str, str]) -> None:
    url, token = issued
    subject = json.loads(decode_base64url(token.split(".")[1].encode()))["sub"]
    assert java.judge(url, token) == [f"good {subject}"]


def test_it_is_good_for_one_issuer_and_one_audience(java: Service, issued: tuple[str, str]) -> None:
    assert java.judge(*issued, audience="https://elsewhere.example") == ["bad aud"]
    assert java.judge(*issued, issuer="https://elsewhere.example") == ["bad iss"]


def test_a_java_service_refuses_forgeries(java: Service, issued: tuple[str, str]) -> None:
    url, token = issued
    head, body, mac = token.split(".")
    header, claims = (json.loads(decode_base64url(each.encode())) for each in (head, body))
    stranger = sign_compact(decode_base64url(body.encode()), SigningKey.generate(header["alg"], kid=header["kid"]))
    raised = segment({**claims, "scope": "admin"})
    assert java.judge(
        url,
        f"{head}.{raised}.{mac}",
        f"{segment({**header, 'alg': 'none'})}.{body}.",
        f"{segment({**header, 'alg': 'HS256'})}.{body}.{mac}",
        f"{segment({**header, 'kid': 'other'})}.{body}.{mac}",
        f"{segment({**header, 'typ': 'JWT'})}.{body}.{mac}",
        stranger,
        "nonsense",
    ) == ["bad signature", "bad alg", "bad alg", "bad kid", "bad typ", "bad signature", "bad shape"]


def test_a_java_service_refuses_an_expired_token(java: Service, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("-3600")
    server = ServerProcess(tmp_path / "data", settings={"KEYTURN_ALGORITHM": "ES256"}, clock=clock)
    server.start()
    try:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        token = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()["access_token"]
        assert java.judge(server.url, token) == ["bad exp"]
    finally:
        server.stop()

"""A Java service that knows the issuer's JWKS and nothing else: it accepts what the issuer signed, and no forgery."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from keyturn.tokens import SigningKey, sign_compact
from keyturn.tokens.encoding import decode_base64url, encode_base64url
from served import Served, serving
from served.process import PASSWORD

SOURCE = Path(__file__).with_name("Verify.java")
Judge = Callable[..., list[str]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("java")
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", folder, SOURCE], check=True, timeout=120)
    return folder


@pytest.fixture(scope="module", params=["RS256", "ES256"])
def issued(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The issuer's URL, and an access token of it."""
    with serving(tmp_path_factory.mktemp("java") / "data", algorithm=request.param) as served:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        answer = httpx.post(served.url + "/auth/signup", json=body, timeout=30).json()
        yield served.url, answer["access_token"]


@pytest.fixture
def judge(compiled: Path, issued: tuple[str, str]) -> Judge:
    url, _ = issued

    def judge(*tokens: str, issuer: str = url, audience: str = url) -> list[str]:
        return _judged(compiled, url, tokens, issuer, audience)

    return judge


def _judged(compiled: Path, url: str, tokens: Iterable[str], issuer: str = "", audience: str = "") -> list[str]:
    keys = url + "/.well-known/jwks.json"
    command = ["java", "-cp", str(compiled), "Verify", keys, issuer or url, audience or url]
    done = subprocess.run(command, input="\n".join(tokens), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def segment(members: object) -> str:
    return encode_base64url(json.dumps(members).encode()).decode()


def test_what_the_issuer_signed_is_good_there(judge: Judge, issued: tuple[str, str]) -> None:
    _, token = issued
    subject = json.loads(decode_base64url(token.split(".")[1].encode()))["sub"]
    assert judge(token) == [f"good {subject}"]


def test_it_is_good_for_one_issuer_and_one_audience(judge: Judge, issued: tuple[str, str]) -> None:
    assert judge(issued[1], audience="https://elsewhere.example") == ["bad aud"]
    assert judge(issued[1], issuer="https://elsewhere.example") == ["bad iss"]


def test_forgeries_are_bad_there(judge: Judge, issued: tuple[str, str]) -> None:
    _, token = issued
    head, body, mac = token.split(".")
    header, claims = (json.loads(decode_base64url(each.encode())) for each in (head, body))
    stranger = sign_compact(decode_base64url(body.encode()), SigningKey.generate(header["alg"], kid=header["kid"]))
    raised = segment({**claims, "scope": "admin"})
    assert judge(
        f"{head}.{raised}.{mac}",
        f"{segment({**header, 'alg': 'none'})}.{body}.",
        f"{segment({**header, 'alg': 'HS256'})}.{body}.{mac}",
        f"{segment({**header, 'kid': 'other'})}.{body}.{mac}",
        f"{segment({**header, 'typ': 'JWT'})}.{body}.{mac}",
        stranger,
        "nonsense",
    ) == ["bad signature", "bad alg", "bad alg", "bad kid", "bad typ", "bad signature", "bad shape"]


def test_a_token_of_an_hour_ago_is_bad_there(compiled: Path, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("-3600")
    served = Served(tmp_path / "data", settings={"KEYTURN_ALGORITHM": "ES256"}, clock=clock)
    served.start()
    try:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        token = httpx.post(served.url + "/auth/signup", json=body, timeout=30).json()["access_token"]
        assert _judged(compiled, served.url, [token]) == ["bad exp"]
    finally:
        served.stop()

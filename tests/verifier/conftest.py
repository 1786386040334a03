"""A trusted key, tokens signed with it, manual clocks and feeds, and a real HTTP server."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import RevocationSet
from keyturn.tokens import KeySet, SigningKey, sign_compact
from keyturn.verifier import HttpFeed
from verifier.harness import NOW, SID, VerifierHarness
from verifier.issuer_feed import URL, IssuerFeed


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FixedFeed:
    """A feed that only does what the test does to it."""

    def __init__(self, seen_at: float = 0.0, bound_seconds: float = 5.0) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(bound_seconds, seen_at)


class Site:
    """What the server answers: a path to a body, or to a function of the handler."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def paths(self) -> list[str]:
        return [_without_nonce(path)[0] for _, path, _, _ in self.requests]

    def publish(self, keys: KeySet, **endpoints: str) -> None:
        self.answers["/.well-known/oauth-authorization-server"] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            **{name: self.url + path for name, path in endpoints.items()},
        }
        self.answers["/jwks"] = keys.to_jwks()


def _without_nonce(path: str) -> tuple[str, str]:
    asked, _, nonce = path.partition("nonce=")
    return asked.rstrip("?&"), nonce


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.requests.append((self.command, self.path, dict(self.headers), body))
            asked, nonce = _without_nonce(self.path)
            answer = site.answers.get(asked, site.answers.get(asked.partition("?")[0]))
            if callable(answer):
                answer = answer(self)
            if isinstance(answer, dict) and "entries" in answer:
                answer = answer | {"nonce": nonce}
            if answer is None:
                return
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 - the name http.server calls

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.generate("EdDSA")


@pytest.fixture(scope="session")
def other_key() -> SigningKey:
    return SigningKey.generate("EdDSA")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def monotonic() -> Clock:
    return Clock(0.0)


@pytest.fixture
def feed() -> FixedFeed:
    return FixedFeed()


@pytest.fixture
def make_clock() -> type[Clock]:
    return Clock


@pytest.fixture
def make_feed() -> type[FixedFeed]:
    return FixedFeed


@pytest.fixture
def claims() -> dict[str, Any]:
    return {
        "iss": "https://auth.example.com",
        "sub": "ada",
        "aud": "orders",
        "exp": NOW + 600,
        "iat": NOW,
        "jti": "1",
        "client_id": "web",
        "sid": SID,
        "gen": 3,
        "scope": "read write",
        "auth_time": NOW - 60,
        "acr": "aal2",
        "amr": ["pwd", "otp"],
    }


@pytest.fixture
def mint(key: SigningKey, claims: dict[str, Any]) -> Callable[..., str]:
    """``mint(aud=..., signed_by=..., typ=...)``: a token with some claims changed; ``None`` leaves a claim out."""

    def mint(signed_by: SigningKey = key, typ: str = "at+jwt", **changed: object) -> str:
        members = {name: value for name, value in (claims | changed).items() if value is not None}
        return sign_compact(json.dumps(members, separators=(",", ":")).encode(), signed_by, typ)

    return mint


@pytest.fixture(params=["sync", "async"])
def harness(request: pytest.FixtureRequest, key: SigningKey, feed: Any, clock: Any, monotonic: Any) -> VerifierHarness:
    return VerifierHarness(request.param, KeySet([key]), feed, clock, monotonic)


@pytest.fixture
def issuer_feed(monotonic: Any) -> IssuerFeed:
    return IssuerFeed(monotonic)


@pytest.fixture
def polled_feed(issuer_feed: IssuerFeed, clock: Any, monotonic: Any) -> HttpFeed:
    return HttpFeed(URL, "service", send=issuer_feed, stream=None, clock=clock, monotonic=monotonic)

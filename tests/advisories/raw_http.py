"""A whole server in this process, a client for raw requests, and the rules that every refusal must keep."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import msgspec

from keyturn.config.settings import Settings
from keyturn.issuer import AsyncIssuer
from keyturn.passwords import Argon2Parameters, AsyncArgon2Hasher
from keyturn.server.app import build_app

Headers = Iterable[tuple[bytes, bytes]]

SECRET = "8d1b0f0c5a3e4b7f9c2d6e8a1f3b5d7c9e0a2c4f6b8d1e3a"
SERVICE = "6f1e2d3c4b5a69788796a5b4c3d2e1f0"
HOST = "auth.example.com"
EMAIL, PASSWORD = "ada@example.com", "a bicycle made of rain"
OTHER, OTHER_PASSWORD = "mallory@example.com", "seven umbrellas in a drawer"
JSON_TYPE = (b"content-type", b"application/json")
FORM_TYPE = (b"content-type", b"application/x-www-form-urlencoded")
OAUTH = ("/auth/token", "/auth/revoke", "/auth/introspect")
ERRORS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


@cache
def documented() -> frozenset[str]:
    return frozenset(re.findall(r"^## (\w+)$", ERRORS_PAGE.read_text(encoding="utf-8"), re.MULTILINE))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies that are set, not those that are cleared."""
        pairs = (line.partition(";")[0].partition("=") for line in self.values("set-cookie"))
        return {name: value for name, _, value in pairs if value}


def check_reply(answer: Answer, path: str) -> None:
    """Check the rules of every reply (P8, P9): no accidental 5xx, no cookie set by a refusal."""
    assert answer.status < 500, (path, answer)
    if answer.status < 400:
        return
    assert answer.values("set-cookie") == [], (path, answer)
    document = answer.json
    assert document["code"] in documented(), (path, document)
    assert document["hint"]
    assert answer.values("cache-control") == ["no-store"]
    kind = "application/json" if path in OAUTH else "application/problem+json"
    assert answer.values("content-type") == [kind], (path, answer)
    assert answer.values("content-length") == [str(len(answer.body))]
    assert len(answer.values("www-authenticate")) == (answer.status == 401 or document["code"] in ("step_up_required",))
    if answer.status in (429, 503):
        assert int(answer.values("retry-after")[0]) >= 1


@dataclass
class RawClient:
    """A whole ASGI server in this process; only argon2 is made small. Requests are sent exactly as given."""

    issuer: AsyncIssuer
    runner: asyncio.Runner
    transport: httpx.ASGITransport
    refusals: list[Answer] = field(default_factory=list)

    @property
    def parts(self) -> Any:
        return self.issuer.parts

    def ask(
        self, method: str, path: str, headers: Headers = (), body: bytes = b"", *, host: bytes | None = None
    ) -> Answer:
        sent = [(b"host", host or HOST.encode()), *headers]
        request = httpx.Request(method, f"https://{HOST}{path}", headers=list(sent), content=body)

        async def exchange() -> Answer:
            response = await self.transport.handle_async_request(request)
            content = await response.aread()
            shown = tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
            )
            return Answer(response.status_code, shown, content)

        answer = self.runner.run(exchange())
        check_reply(answer, path.partition("?")[0])
        if answer.status >= 400:
            self.refusals.append(answer)
        return answer

    def get(self, path: str, *headers: tuple[bytes, bytes]) -> Answer:
        return self.ask("GET", path, headers)

    def json(self, path: str, document: object, *headers: tuple[bytes, bytes]) -> Answer:
        return self.ask("POST", path, [JSON_TYPE, *headers], json.dumps(document).encode())

    def form(self, path: str, fields: dict[str, str], *headers: tuple[bytes, bytes]) -> Answer:
        return self.ask("POST", path, [FORM_TYPE, *headers], urlencode(fields).encode())

    def signup(self, email: str = EMAIL, password: str = PASSWORD, deliver: str = "both") -> Answer:
        return self.json("/auth/signup", {"email": email, "password": password, "deliver": deliver})

    def login(
        self, *headers: tuple[bytes, bytes], email: str = EMAIL, password: str = PASSWORD, deliver: str = "both"
    ) -> Answer:
        return self.json("/auth/login", {"email": email, "password": password, "deliver": deliver}, *headers)

    def alive(self, cookies: dict[str, str]) -> bool:
        """Whether the session cookie of ``cookies`` is good."""
        return self.get("/auth/session", jar(cookies)).status == 200

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.issuer.close())
        self.runner.close()


def jar(cookies: dict[str, str]) -> tuple[bytes, bytes]:
    return b"cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


@contextmanager
def make_client(clock: Any = None, **settings: Any) -> Iterator[RawClient]:
    """Run a server over a memory store, with an https issuer by default."""
    chosen: dict[str, Any] = {
        "issuer": f"https://{HOST}",
        "audience": f"https://{HOST}",
        "store": "memory:",
        "secret": SECRET,
        "service_token": SERVICE,
        "algorithm": "ES256",
        "login_limit_per_address": 100_000,
        "signup_limit_per_address": 100_000,
        **settings,
    }
    timed = {} if clock is None else {"clock": clock}
    issuer = AsyncIssuer.open(Settings(**chosen), **timed)
    issuer.parts.hasher.close()
    hasher = AsyncArgon2Hasher(Argon2Parameters(memory_cost=64, time_cost=1), threads=1)
    ports = replace(issuer.parts.ports, hasher=hasher)
    # Production settings with generated keys: a development feed needs no service token.
    closed = msgspec.structs.replace(issuer.parts.settings, environment="production")
    issuer.settings = closed
    issuer.parts = replace(issuer.parts, settings=closed, hasher=hasher, ports=ports)
    transport = httpx.ASGITransport(app=build_app(issuer), client=("203.0.113.9", 4711))
    with RawClient(issuer, asyncio.Runner(), transport) as client:
        yield client

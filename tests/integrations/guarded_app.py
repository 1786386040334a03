"""An issuer with manual clocks and feed, its guarded application, and a client over ASGI."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from keyturn import AsyncIssuer
from keyturn.config.background import load_first_keys
from keyturn.config.components import build_components
from keyturn.config.settings import Settings
from keyturn.core.freshness import Freshness
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationSet
from keyturn.flows import IssuedCredentials, drive
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware
from keyturn.passwords import Argon2Hasher, Argon2Parameters
from keyturn.web.issuer_authenticator import IssuerAuthenticator

ISSUER = "https://auth.example.com"
COOKIE = b"__Host-kt_session"
PASSWORD = "violet umbrella 7 o clock"
Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Feed:
    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5.0, 0.0)


class App:
    """A bare application that notes who called."""

    def __init__(self) -> None:
        self.callers: list[Principal | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.callers.append(scope[PRINCIPAL])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})


class GuardedIssuer:
    """An issuer on a memory store with clocks and a feed set by hand, and its guarded application."""

    def __init__(self, policy: str = "browser", **guard: Any) -> None:
        self.clock, self.monotonic = Clock(1_800_000_000.25), Clock(100.0)
        settings = Settings(
            issuer=ISSUER,
            audience="orders",
            store="memory:",
            secret="s3cret-" * 8,
            service_token="t0ken-" * 8,
            algorithm="EdDSA",
            profile=policy,
        )
        self.issuer = AsyncIssuer(settings)
        parts = build_components(
            settings, self.issuer.config, is_async=True, clock=self.clock, monotonic=self.monotonic
        )
        parts.hasher.close()
        self.hasher = Argon2Hasher(Argon2Parameters(memory_cost=64, time_cost=1), threads=1)
        parts = replace(parts, ports=replace(parts.ports, hasher=self.hasher), hasher=self.hasher)
        drive(load_first_keys(parts), parts.sync_ports)
        self.issuer.parts = parts
        self.parts = parts
        self.session_cache = parts.session_cache
        self.refresh_feed()
        self.app = App()
        self.guard = AuthMiddleware(self.app, issuer=self.issuer, **guard)

    def refresh_feed(self) -> None:
        """News from the feed, as of this moment."""
        self.session_cache.mark_complete(self.monotonic.now)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks, with a feed that keeps up."""
        self.clock.now += seconds
        self.monotonic.now += seconds
        self.refresh_feed()

    def login(self, name: str = "ada", deliver: Any = "both") -> IssuedCredentials:
        return run(self.issuer.signup(f"{name}@example.com", PASSWORD, deliver=deliver))

    def ask(self, *headers: tuple[bytes, bytes], method: str = "GET") -> "Answer":
        return ask(self.guard, *headers, method=method)

    def count_flows(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        flows: list[object] = []
        from keyturn.web import asgi_auth

        driven = asgi_auth.drive_async
        monkeypatch.setattr(asgi_auth, "drive_async", lambda flow, ports: flows.append(flow) or driven(flow, ports))
        return flows

    @property
    def sessions(self) -> IssuerAuthenticator:
        found: IssuerAuthenticator = self.guard._auth._decide.args[1]  # type: ignore[attr-defined]
        return found

    @property
    def cached_cookies(self) -> int:
        return len(self.sessions._cookies.entries)


class Answer:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.sent = sent
        self.status: int = sent[0].get("status", 0)
        self.headers = dict(sent[0].get("headers", ()))
        self.body = b"".join(each.get("body", b"") for each in sent[1:])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


def run(work: Awaitable[T]) -> T:
    async def awaited() -> T:
        return await work

    return asyncio.run(awaited())


def http(*headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": list(headers)}


def exchange(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    run(app(scope, receive, send))
    return sent


def ask(app: Any, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    return Answer(exchange(app, http(*headers, method=method)))


def cookie(issued: IssuedCredentials) -> tuple[bytes, bytes]:
    assert issued.session_token is not None
    return b"cookie", COOKIE + b"=" + issued.session_token.reveal().encode()


def bearer(issued: IssuedCredentials) -> tuple[bytes, bytes]:
    assert issued.access_token is not None
    return b"authorization", b"Bearer " + issued.access_token.reveal().encode()

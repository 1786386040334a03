"""Clients of the applications of ``framework_apps``: requests, WebSockets, the lifespan as a server runs it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from keyturn import Principal
from keyturn.core.types import Instant, SessionId, Subject
from web.exchanges import HOST, JSON, PASSWORD, Answer, Sent, asgi_scope, send_asgi

BOB = Principal(Subject("bob"), SessionId("s"), "client", "session", Instant(0), Instant(1))


BROWSER = ((b"accept", b"text/html,*/*;q=0.8"), (b"sec-fetch-mode", b"navigate"))


Build = Callable[..., tuple[Any, Any]]


def signup(app: Any) -> tuple[str, tuple[bytes, bytes]]:
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}).encode()
    answer = json.loads(send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON), body)).body)
    return answer["subject"], (b"authorization", b"Bearer " + answer["access_token"].encode())


def ask(app: Any, path: str, *headers: tuple[bytes, bytes]) -> Answer:
    return send_asgi(app, Sent("GET", path, (HOST, *headers)))


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def connect(app: Any, *headers: tuple[bytes, bytes], extensions: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Open a WebSocket, and return what the application sent."""
    scope = asgi_scope(Sent("GET", "/socket", (HOST, *headers))) | {
        "type": "websocket",
        "scheme": "wss",
        "subprotocols": [],
        "extensions": {name: {} for name in extensions},
    }
    del scope["method"]  # a handshake has none
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Run the lifespan of an application, as a server does."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    yield
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await task

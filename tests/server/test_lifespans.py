"""Lifespans of one server application: each opens the issuer, and the feed stream follows it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from keyturn import AsyncIssuer
from keyturn.server.app import build_app
from web.exchanges import HOST, Answer, Sent, asgi_scope

SESSION, READY = Sent("GET", "/auth/session"), Sent("GET", "/readyz")


async def send(app: Any, sent: Sent) -> Answer:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body}

    async def keep(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(asgi_scope(sent), receive, keep)
    return Answer(messages[0]["status"], tuple(messages[0]["headers"]), messages[1]["body"])


async def first_event(app: Any) -> bytes:
    """Return the first bytes of the feed stream."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    scope = asgi_scope(Sent("GET", "/auth/revocations", (HOST, (b"accept", b"text/event-stream"))))
    task = asyncio.create_task(app(scope, receive, events.put))
    await events.get()
    event: bytes = (await events.get())["body"]
    left.set()
    await task
    return event


async def serve_once(app: Any) -> list[object]:
    async with app.router.lifespan_context(app):
        stream = await first_event(app)
        for _ in range(200):
            if (await send(app, READY)).status == 200:
                break
            await asyncio.sleep(0.02)
        return [(await send(app, each)).status for each in (SESSION, READY)] + [stream[:6]]


@pytest.mark.timeout(60)
def test_a_second_lifespan_opens_the_issuer_again(tmp_path: Path) -> None:
    async def serve() -> None:
        app = build_app(AsyncIssuer.from_env(data_dir=str(tmp_path)))
        for _ in range(2):
            assert await serve_once(app) == [401, 200, b"retry:"]
            assert (await send(app, READY)).status == 503
        metrics = await send(app, Sent("GET", "/metrics"))
        assert metrics.status == 200

    asyncio.run(serve())


def test_a_request_before_a_lifespan_opens_the_issuer(tmp_path: Path) -> None:
    async def serve() -> None:
        issuer = AsyncIssuer.from_env(data_dir=str(tmp_path))
        app = build_app(issuer)
        assert issuer.current is None
        assert (await send(app, SESSION)).status == 401
        assert issuer.current is not None
        await issuer.close()
        assert (await send(app, Sent("GET", "/auth/session", (HOST, (b"authorization", b"Bearer x"))))).status == 503

    asyncio.run(serve())

"""Scopes of the ASGI application besides HTTP: its lifespan and WebSockets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from keyturn import AsyncIssuer
from keyturn.server.metrics import Metrics
from keyturn.server.served_issuer import ServedIssuer
from keyturn.web.asgi import AsgiEndpoints
from web.exchanges import open_async, settings

Wrap = Callable[[AsyncIssuer], Any]


def exchange(app: Any, scope: dict[str, Any], *received: str) -> list[dict[str, Any]]:
    """Send messages of these types. Return what the application sent."""
    messages, sent = [{"type": each} for each in received], list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert messages == []
    return sent


@pytest.mark.parametrize("wrap", [lambda issuer: issuer, lambda issuer: ServedIssuer(issuer, Metrics(shared=False))])
def test_the_lifespan_opens_the_issuer_and_closes_it(wrap: Wrap) -> None:
    issuer, states = AsyncIssuer(settings()), list[bool]()
    app = AsgiEndpoints(wrap(issuer))

    async def receive() -> dict[str, Any]:
        states.append(issuer.current is not None)
        return {"type": "lifespan"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    for _ in range(2):
        sent = list[str]()
        asyncio.run(app({"type": "lifespan"}, receive, send))
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert issuer.current is None
    assert states == [False, True, False, True]


def test_a_lifespan_of_an_issuer_that_cannot_be_opened_fails(tmp_path: Any) -> None:
    issuer = AsyncIssuer(settings(store=f"sqlite:///{tmp_path}/missing/keyturn.db", data_dir=str(tmp_path)))
    (failed,) = exchange(AsgiEndpoints(issuer), {"type": "lifespan"}, "lifespan.startup")
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"]


def test_a_websocket_is_refused() -> None:
    issuer = open_async()
    app, scope = AsgiEndpoints(issuer), {"type": "websocket", "path": "/auth/session", "headers": []}
    assert exchange(app, scope, "websocket.connect") == [
        {"type": "websocket.close", "code": 1008, "reason": "not_found"}
    ]
    start, body = exchange(app, scope | {"extensions": {"websocket.http.response": {}}}, "websocket.connect")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert json.loads(body["body"])["code"] == "not_found"
    issuer.parts.hasher.close()


def test_an_unknown_scope_is_an_error() -> None:
    """ASGI 3.0: an application raises for a protocol that it does not know."""
    issuer = open_async()
    with pytest.raises(ValueError, match="webtransport"):
        exchange(AsgiEndpoints(issuer), {"type": "webtransport"})
    issuer.parts.hasher.close()

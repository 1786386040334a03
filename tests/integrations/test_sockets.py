"""WebSockets of Starlette, FastAPI and Litestar, closed when the session that a handler authenticated ends."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi import WebSocket as FastApiWebSocket
from litestar import Litestar, websocket
from litestar.connection import WebSocket as LitestarSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from keyturn import AsyncIssuer
from keyturn.integrations import fastapi, litestar, starlette
from web.exchanges import HOST, JSON, PASSWORD, Sent, asgi_scope, open_async, send_asgi


def starlette_app(issuer: AsyncIssuer) -> Any:
    app = Starlette()
    auth = starlette.Keyturn(app, issuer)

    @auth.required
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass

    app.router.routes.append(WebSocketRoute("/live", live))
    return app


def fastapi_app(issuer: AsyncIssuer) -> Any:
    app = FastAPI()
    auth = fastapi.Keyturn(app, issuer)

    @app.websocket("/live")
    async def live(websocket: FastApiWebSocket, _: Annotated[fastapi.Principal, Depends(auth.required)]) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass

    return app


def litestar_app(issuer: AsyncIssuer) -> Any:
    @websocket("/live")
    async def live(socket: LitestarSocket[Any, Any, Any], principal: litestar.RequiredPrincipal) -> None:
        assert principal.subject
        await socket.accept()
        while True:
            await socket.receive_text()

    return Litestar([live], plugins=[litestar.Keyturn(issuer)])


@pytest.fixture
def issuer() -> Iterator[AsyncIssuer]:
    issuer = open_async()
    yield issuer
    asyncio.run(issuer.close())


@pytest.mark.parametrize("build", [starlette_app, fastapi_app, litestar_app])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_socket_is_closed_with_its_session_and_outlives_others(
    build: Callable[[AsyncIssuer], Any], issuer: AsyncIssuer, is_ended: bool
) -> None:
    app = build(issuer)
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}).encode()
    issued = json.loads(send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON), body)).body)
    bearer = (b"authorization", b"Bearer " + issued["access_token"].encode())

    async def scenario() -> list[dict[str, Any]]:
        principal = await issuer.verify(issued["access_token"])
        scope = asgi_scope(Sent("GET", "/live", (HOST, bearer)))
        scope |= {"type": "websocket", "scheme": "wss", "subprotocols": [], "extensions": {}}
        del scope["method"]
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})
        async with asyncio.timeout(20):
            serving = asyncio.create_task(app(scope, inbox.get, sent.put))
            seen = [await sent.get()]
            if is_ended:
                await issuer.logout(principal.sid)
                seen.append(await sent.get())
            else:
                await issuer.revoke_subject(type(principal.subject)("another"))
                assert len((await issuer.ready()).connections) == 1
                inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await asyncio.gather(serving, return_exceptions=True)
        assert len((await issuer.ready()).connections) == 0
        return seen

    sent = asyncio.run(scenario())
    assert sent[0]["type"] == "websocket.accept"
    assert sent[1:] == ([{"type": "websocket.close", "code": 4401, "reason": "session_ended"}] if is_ended else [])

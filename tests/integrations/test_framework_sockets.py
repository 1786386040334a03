"""WebSockets of Starlette, FastAPI and Litestar: who may open one, and when it is closed."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket

from integrations.framework_apps import APPS
from integrations.framework_client import BOB, Build, ask, connect, running, signup
from keyturn import AsyncIssuer
from keyturn.integrations import fastapi
from web.exchanges import HOST, JSON, PASSWORD, Sent, asgi_scope, send_asgi


def test_a_socket_is_opened_with_a_credential_and_refused_without(build: Build, live_issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=live_issuer)
    subject, bearer = signup(app)
    texts = [each["text"] for each in connect(app, bearer) if each["type"] == "websocket.send"]
    assert texts == [subject]
    refused = connect(app)
    assert [(each["type"], each["code"], each["reason"]) for each in refused] == [
        ("websocket.close", 1008, "unauthenticated")
    ]


def test_a_handshake_of_another_site_is_refused_although_its_cookie_is_live(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer)
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()
    answer = send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON), body))
    cookie = (b"cookie", b"; ".join(each.partition(b";")[0] for each in answer.values(b"set-cookie")))
    assert ask(app, "/page", cookie).status == 200
    refused = connect(app, cookie, (b"origin", b"https://evil.example"))
    assert [each.get("reason") for each in refused] == ["cross_origin"]


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_a_handshake_is_denied_with_the_problem_where_the_server_can(name: str, issuer: AsyncIssuer) -> None:
    app, _ = APPS[name](issuer=issuer)
    start, body = connect(app, extensions=("websocket.http.response",))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert json.loads(body["body"])["code"] == "unauthenticated"


def test_a_socket_that_is_refused_after_it_was_accepted_is_closed(issuer: AsyncIssuer) -> None:
    app = FastAPI()
    fastapi.Keyturn(app, issuer)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        BOB.require_scope("admin")

    assert [(each["type"], each.get("reason")) for each in connect(app)][-1] == ("websocket.close", "forbidden")


async def drop_after_logout(app: Any, bearer: tuple[bytes, bytes], path: str) -> list[dict[str, Any]]:
    """Open a socket, log out of every device while it is open, and return what was sent on it."""
    sent: list[dict[str, Any]] = []
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    accepted = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        accepted.set()

    scope = asgi_scope(Sent("GET", path, (HOST, bearer))) | {"type": "websocket", "subprotocols": [], "extensions": {}}
    del scope["method"]
    await inbox.put({"type": "websocket.connect"})
    task = asyncio.create_task(app(scope, inbox.get, send))
    await asyncio.wait_for(accepted.wait(), 10)
    await asyncio.to_thread(send_asgi, app, Sent("POST", "/auth/logout-all", (HOST, bearer)))
    await asyncio.wait_for(task, 20)
    return sent


def test_a_socket_is_closed_when_its_session_ends(build: Build, tmp_path: Any) -> None:
    app, _ = build(data_dir=str(tmp_path))

    async def live() -> list[dict[str, Any]]:
        async with running(app):
            _, bearer = await asyncio.to_thread(signup, app)
            return await drop_after_logout(app, bearer, "/waiting")

    assert [(each["type"], each.get("code")) for each in asyncio.run(live())] == [
        ("websocket.accept", None),
        ("websocket.close", 4401),
    ]


def test_the_sockets_and_the_lifespan_of_an_application_with_trusted_origins_pass(
    build: Build, live_issuer: AsyncIssuer
) -> None:
    app, _ = build(issuer=live_issuer, trusted_origins=("https://app.example.com",))
    _, bearer = signup(app)
    assert connect(app, bearer)[0]["type"] == "websocket.accept"

    async def live() -> None:
        async with running(app):
            assert live_issuer.current is not None

    asyncio.run(live())

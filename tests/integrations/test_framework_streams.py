"""Streams of Starlette, FastAPI and Litestar end with the session of their request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar, get
from litestar.exceptions import LitestarException
from litestar.response import Stream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from integrations.framework_client import running, signup
from keyturn.integrations import fastapi, litestar, starlette
from keyturn.web.connections import ConnectionClosedError
from web.exchanges import HOST, Sent, asgi_scope, send_asgi

EVENTS = "text/event-stream"
EXPORT = "text/csv"


async def news() -> AsyncIterator[bytes]:
    """Send one event, and wait for the next for as long as it takes."""
    yield b"data: 1\n\n"
    await asyncio.Event().wait()


def starlette_app(data_dir: str, media_type: str) -> Any:
    app = Starlette()
    auth = starlette.Keyturn(app, data_dir=data_dir)

    @auth.required
    async def events(request: Request) -> StreamingResponse:
        return StreamingResponse(news(), media_type=media_type)

    app.router.routes.append(Route("/events", events))
    return app


def fastapi_app(data_dir: str, media_type: str) -> Any:
    app = FastAPI()
    auth = fastapi.Keyturn(app, data_dir=data_dir)

    @app.get("/events")
    async def events(_: Annotated[fastapi.Principal, Depends(auth.required)]) -> StreamingResponse:
        return StreamingResponse(news(), media_type=media_type)

    return app


def litestar_app(data_dir: str, media_type: str) -> Any:
    @get("/events")
    async def events(principal: litestar.RequiredPrincipal) -> Stream:
        return Stream(news(), media_type=media_type)

    return Litestar([events], plugins=[litestar.Keyturn(data_dir=data_dir)])


class Reader:
    """Client of one stream. ``spec``: of the server; from 2.4 on, sends fail after a disconnect."""

    def __init__(self, app: Any, header: tuple[bytes, bytes], spec: str) -> None:
        self._app = app
        self._scope = asgi_scope(Sent("GET", "/events", (HOST, header))) | {"asgi": {"spec_version": spec}}
        self._requests = [{"type": "http.request", "body": b"", "more_body": False}]
        self._is_complete = asyncio.Event()
        self.is_started = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def read(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._requests:
            return self._requests.pop()
        await self._is_complete.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("more_body"):
            self.is_started.set()
        elif message["type"] == "http.response.body":
            self._is_complete.set()


async def read_until_logout(app: Any, spec: str) -> list[tuple[bytes, bool]]:
    """Read a stream, log out of every device meanwhile, and return the parts of the body."""
    async with running(app):
        _, header = await asyncio.to_thread(signup, app)
        reader = Reader(app, header, spec)
        reading = asyncio.create_task(reader.read())
        await asyncio.wait_for(reader.is_started.wait(), 20)
        await asyncio.to_thread(send_asgi, app, Sent("POST", "/auth/logout-all", (HOST, header)))
        await asyncio.wait_for(reading, 20)
    return [(each["body"], each["more_body"]) for each in reader.sent[1:]]


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("make", [starlette_app, fastapi_app, litestar_app])
def test_an_idle_stream_of_events_is_completed_when_its_session_ends(
    make: Callable[..., Any], spec: str, tmp_path: Any
) -> None:
    app = make(str(tmp_path), EVENTS)
    assert asyncio.run(read_until_logout(app, spec)) == [(b"data: 1\n\n", True), (b"", False)]


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, litestar_app])
def test_another_stream_is_broken_off_when_its_session_ends(make: Callable[..., Any], tmp_path: Any) -> None:
    app = make(str(tmp_path), EXPORT)
    with pytest.raises((ConnectionClosedError, LitestarException)):
        asyncio.run(read_until_logout(app, "2.3"))

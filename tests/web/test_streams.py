"""Responses that are streamed over HTTP, and the end of their session."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from connections.harness import BOUND, principal_of
from keyturn.web.connections import SCOPE_CONNECTION, ConnectionClosedError, follow, serve_connected, serve_http
from web.connection_client import Client, run

START = {"type": "http.response.start", "status": 200, "headers": []}
EVENTS = START | {"headers": [(b"Content-Type", b"text/event-stream; charset=utf-8")]}
END = {"type": "http.response.body", "body": b"", "more_body": False}


def chunk(body: bytes = b"data: x\n\n") -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def test_a_stream_of_events_is_completed_when_its_session_ends() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(EVENTS)
        while True:
            await send(chunk())
            await asyncio.sleep(0.001)

    async def scenario() -> list[dict[str, Any]]:
        client = Client("http")
        serving = client.serve(app)
        await client.until_sent(3)
        client.revoke()
        await run(serving)
        assert client.is_clean
        return client.sent

    sent = asyncio.run(scenario())
    assert sent[-1] == END
    assert all(each["more_body"] for each in sent[1:-1])


def test_a_stream_that_waits_for_its_client_receives_a_disconnect() -> None:
    async def scenario() -> None:
        client = Client("http")

        async def app(_: Any, receive: Any, send: Any) -> None:
            await send(EVENTS)
            assert await receive() == {"type": "http.disconnect"}

        serving = client.serve(app)
        await client.until_sent(1)
        client.revoke()
        await run(serving)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("is_stale", "status", "code"), [(False, 401, "session_ended"), (True, 503, "revocation_unknown")]
)
def test_a_long_poll_is_answered_with_the_refusal(is_stale: bool, status: int, code: str) -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client("http")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await scope[SCOPE_CONNECTION]
            await send(START)

        serving = client.serve(app)
        await asyncio.sleep(0.01)
        if is_stale:
            client.source.pass_time(BOUND + 1, is_read=False)
        else:
            client.revoke()
        await run(serving)
        return client.sent

    start, body = asyncio.run(scenario())
    assert start["status"] == status
    assert json.loads(body["body"])["code"] == code


def test_a_response_that_was_complete_is_left_alone() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client("http")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"all"})
            client.revoke()
            await scope[SCOPE_CONNECTION]

        await run(client.serve(app))
        return client.sent

    assert asyncio.run(scenario()) == [START, {"type": "http.response.body", "body": b"all"}]


@pytest.mark.parametrize("is_waiting", [True, False])
def test_another_stream_is_left_incomplete_when_its_session_ends(is_waiting: bool) -> None:
    """A client that received a clean end would take half of an export for the whole."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(chunk())
        while True:
            await asyncio.sleep(60 if is_waiting else 0)
            await send(chunk())

    async def scenario() -> list[dict[str, Any]]:
        client = Client("http")
        serving = client.serve(app)
        await client.until_sent(2)
        client.revoke()
        with pytest.raises(ConnectionClosedError, match="left incomplete"):
            await run(serving)
        assert client.is_clean
        return client.sent

    assert asyncio.run(scenario())[-1] == chunk()


@pytest.mark.parametrize("is_connected", [True, False])
def test_an_application_that_catches_its_cancellation_leaves_none_behind(is_connected: bool) -> None:
    async def scenario() -> int:
        client = Client("http")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await follow(scope, client, principal_of())
            await send(START)
            await send(chunk())
            client.revoke()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

        at_once = {"auth": client, "principal": principal_of(), "error_page": ""}
        serve = partial(serve_connected, **at_once) if is_connected else serve_http
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(ConnectionClosedError, match="left incomplete"):
            await serve(app, client.scope, client.incoming.get, client.send)
        return task.cancelling()

    assert asyncio.run(scenario()) == 0


# --- responses of a route that authenticates its request itself ---


class Route:
    """An application that authenticates, answers with ``start`` and two parts, and waits after the first."""

    def __init__(self, client: Client, start: dict[str, Any], *, is_anonymous: bool = False) -> None:
        self._client = client
        self._start = start
        self._is_anonymous = is_anonymous
        self.goes_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        if not self._is_anonymous:
            await follow(scope, self._client, principal_of())
        await send(self._start)
        await send(chunk(b"1"))
        await self.goes_on.wait()
        await send(chunk(b"2"))
        await send(END)

    def start(self) -> "asyncio.Task[None]":
        self._client.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        client = self._client
        return asyncio.create_task(serve_http(self, client.scope, client.incoming.get, client.send))


async def stream_and_revoke(start: dict[str, Any], *, is_anonymous: bool = False) -> list[bytes]:
    """Return the parts that were sent when the session ended after the first one."""
    client = Client("http")
    route = Route(client, start, is_anonymous=is_anonymous)
    serving = route.start()
    await client.until_sent(2)
    client.revoke()
    await asyncio.sleep(0.05)
    route.goes_on.set()
    with suppress(ConnectionClosedError):
        await run(serving)
    assert client.is_clean
    return [each["body"] for each in client.sent[1:]]


SIZED = START | {"headers": [(b"Content-Length", b"2")]}


@pytest.mark.parametrize(
    ("start", "is_anonymous", "parts"),
    [
        (EVENTS, False, [b"1", b""]),
        (START, False, [b"1"]),
        (SIZED, False, [b"1", b"2", b""]),
        (EVENTS, True, [b"1", b"2", b""]),
    ],
    ids=["events", "no-length", "length", "anonymous"],
)
def test_a_response_without_an_end_in_sight_ends_with_the_session_of_its_route(
    start: dict[str, Any], is_anonymous: bool, parts: list[bytes]
) -> None:
    assert asyncio.run(stream_and_revoke(start, is_anonymous=is_anonymous)) == parts


def test_a_response_that_is_no_stream_opens_no_connection() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client("http")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await follow(scope, client, principal_of())
            await send(START)
            await send({"type": "http.response.body", "body": b"all"})
            assert SCOPE_CONNECTION not in scope

        await run(serve_http(app, client.scope, client.incoming.get, client.send))
        return client.sent

    assert len(asyncio.run(scenario())) == 2


def test_an_error_that_a_framework_made_of_the_end_is_no_error() -> None:
    """Starlette raises ``ClientDisconnect`` for an ``OSError`` of a send."""

    async def scenario() -> None:
        client = Client("http")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(EVENTS)
            client.revoke()
            await scope[SCOPE_CONNECTION]
            try:
                await send(chunk())
            except OSError:
                raise ValueError("of the framework")  # noqa: B904 - as Starlette raises it

        await run(client.serve(app))
        assert client.sent == [EVENTS, END]

    asyncio.run(scenario())


def test_an_error_of_the_application_is_raised_although_it_handled_another() -> None:
    async def scenario() -> None:
        client = Client("http")

        async def app(_: Any, receive: Any, send: Any) -> None:
            raise ValueError("of the application") from KeyError("first")

        with pytest.raises(ValueError, match="of the application"):
            await run(client.serve(app))
        assert client.is_clean

    asyncio.run(scenario())

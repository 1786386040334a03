"""ASGI connections that are closed with their session, in front of applications of every habit."""

import asyncio
from typing import Any

import pytest

from connections.harness import BOUND, NOW, principal_of
from keyturn import KeySet, Verifier
from keyturn.tokens import SigningKey
from keyturn.web import channels
from keyturn.web.connections import (
    SCOPE_CONNECTION,
    ConnectionClosedError,
    follow,
    serve_socket,
)
from web.connection_client import Client, run

ACCEPT = {"type": "websocket.accept"}
SESSION_CLOSE = {"type": "websocket.close", "code": 4401, "reason": "session_ended"}


async def echo(_: Any, receive: Any, send: Any) -> None:
    """Answer each message, as most WebSocket applications do."""
    await send(ACCEPT)
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "here"})


async def push(_: Any, receive: Any, send: Any) -> None:
    """Send without ever receiving."""
    await send(ACCEPT)
    while True:
        await send({"type": "websocket.send", "text": "news"})
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("app", [echo, push])
def test_a_revoked_session_closes_its_websocket(app: Any) -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client()
        serving = client.serve(app)
        await client.until_sent(1)
        client.incoming.put_nowait({"type": "websocket.receive", "text": "hello"})
        await client.until_sent(2)
        client.revoke()
        await run(serving)
        assert client.is_clean
        return client.sent

    sent = asyncio.run(scenario())
    assert sent[0] == ACCEPT
    assert sent[1]["type"] == "websocket.send"
    assert sent[-1] == SESSION_CLOSE


@pytest.mark.parametrize(
    ("seconds", "is_read", "close"),
    [(60, True, (4498, "token_expired")), (BOUND + 1, False, (1013, "revocation_unknown"))],
)
def test_an_expired_token_and_a_stale_feed_have_codes_of_their_own(
    seconds: float, is_read: bool, close: tuple[int, str]
) -> None:
    async def scenario() -> dict[str, Any]:
        client = Client()
        told: list[dict[str, Any]] = []

        async def app(_: Any, receive: Any, send: Any) -> None:
            await send(ACCEPT)
            told.append(await receive())
            told.append(await receive())

        serving = client.serve(app, principal_of(credential="access", expires_in=60))
        await client.until_sent(1)
        client.source.pass_time(seconds, is_read=is_read)
        await run(serving)
        assert told == [{"type": "websocket.disconnect", "code": close[0], "reason": close[1]}] * 2
        return client.sent[-1]

    assert asyncio.run(scenario()) == {"type": "websocket.close", "code": close[0], "reason": close[1]}


def test_a_newer_token_is_presented_on_the_socket() -> None:
    async def scenario() -> None:
        client = Client()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(ACCEPT)
            await scope[SCOPE_CONNECTION].renew("newer")
            await send({"type": "websocket.send", "text": "renewed"})
            await receive()

        serving = client.serve(app, principal_of(credential="access", expires_in=60))
        await client.until_sent(2)
        client.source.pass_time(100)
        client.registry.run_once()
        assert len(client.registry) == 1
        client.revoke()
        await run(serving)

    asyncio.run(scenario())


def test_a_socket_that_its_handler_authenticates_twice_is_followed_once() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(2):
                await follow(scope, client, principal_of())
            assert len(client.registry) == 1
            await echo(scope, receive, send)

        serving = asyncio.create_task(serve_socket(app, client.scope, client.incoming.get, client.send))
        await client.until_sent(1)
        client.revoke()
        await run(serving)
        assert client.is_clean
        return client.sent

    assert asyncio.run(scenario()) == [ACCEPT, SESSION_CLOSE]


def test_a_socket_of_an_anonymous_caller_is_not_followed() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client()
        client.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await run(serve_socket(echo, client.scope, client.incoming.get, client.send))
        return client.sent

    assert asyncio.run(scenario()) == [ACCEPT]


def test_a_client_that_does_not_read_is_closed_all_the_same() -> None:
    async def scenario() -> None:
        client = Client()
        client.blocked = asyncio.Event()
        serving = client.serve(echo)
        await client.until_sent(1)
        client.revoke()
        await client.until_sent(2)
        assert client.sent[-1] == SESSION_CLOSE
        client.blocked.set()
        await run(serving)
        assert client.is_clean

    asyncio.run(scenario())


def test_an_application_that_waits_for_something_else_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "CANCEL_SECONDS", 0.05)

    async def scenario() -> None:
        client = Client()

        async def app(_: Any, receive: Any, send: Any) -> None:
            await send(ACCEPT)
            await asyncio.Event().wait()

        serving = client.serve(app)
        await client.until_sent(1)
        client.revoke()
        await run(serving)
        assert client.sent[-1] == SESSION_CLOSE
        assert client.is_clean

    asyncio.run(scenario())


def test_a_session_that_ended_before_the_handshake_is_never_accepted() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client()
        client.revoke()

        async def app(_: Any, receive: Any, send: Any) -> None:
            assert (await receive())["type"] == "websocket.disconnect"
            with pytest.raises(ConnectionClosedError, match="session_ended"):
                await send(ACCEPT)

        await run(client.serve(app))
        return client.sent

    assert asyncio.run(scenario()) == [SESSION_CLOSE]


async def leave_in_the_handshake(_: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.disconnect"


async def fail(_: Any, receive: Any, send: Any) -> None:
    raise ValueError("of the application")


@pytest.mark.parametrize(
    ("app", "error"), [(leave_in_the_handshake, None), (fail, ValueError), (echo, asyncio.CancelledError)]
)
def test_a_connection_that_its_client_or_application_leaves_is_forgotten(
    app: Any, error: type[BaseException] | None
) -> None:
    async def scenario() -> None:
        client = Client()
        serving = client.serve(app)
        await asyncio.sleep(0.01)
        if error is None:
            client.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
            await run(serving)
        else:
            serving.cancel()
            with pytest.raises(error):
                await serving
        assert client.is_clean
        assert client.sent in ([], [ACCEPT])

    asyncio.run(scenario())


def test_a_socket_that_the_application_closed_is_not_closed_again() -> None:
    async def scenario() -> list[dict[str, Any]]:
        client = Client()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.close", "code": 1000})
            client.revoke()
            await scope[SCOPE_CONNECTION]

        await run(client.serve(app))
        return client.sent

    assert asyncio.run(scenario()) == [{"type": "websocket.close", "code": 1000}]


def test_a_receive_with_a_deadline_of_the_application_times_out() -> None:
    async def scenario() -> None:
        client = Client()

        async def app(_: Any, receive: Any, send: Any) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.01)
            await send(ACCEPT)

        await run(client.serve(app))
        assert client.sent == [ACCEPT]

    asyncio.run(scenario())


def test_a_client_that_has_left_is_not_an_error() -> None:
    async def scenario() -> None:
        client = Client()

        async def app(_: Any, receive: Any, send: Any) -> None:
            await receive()

        async def send(_: Any) -> None:
            raise OSError("gone")

        client.send = send  # type: ignore[method-assign]
        serving = client.serve(app)
        await asyncio.sleep(0)
        client.revoke()
        await run(serving)
        assert client.is_clean

    asyncio.run(scenario())


def test_a_blocking_verifier_serves_sockets_too() -> None:
    async def scenario() -> None:
        client = Client()
        verify = Verifier("https://auth.example.com", "orders", keys=KeySet([SigningKey.generate("EdDSA")]))
        serving = client.serve(echo, principal_of(credential="access", expires_in=-int(NOW)), verify)
        await run(serving)
        assert client.sent[-1] == {"type": "websocket.close", "code": 4498, "reason": "token_expired"}
        assert len(verify.connections) == 0

    asyncio.run(scenario())

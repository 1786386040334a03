"""ASGI applications served until the session ends: WebSockets, and responses that go on without an end in sight."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeAlias

from keyturn.core.principal import Principal
from keyturn.verifier import Verifier
from keyturn.web.asgi_messages import AsgiApp, Message, Receive, Scope, Send
from keyturn.web.channels import (
    CLOSE_CODES,
    SCOPE_CONNECTION,
    ConnectionClosedError,
    Connector,
    StreamChannel,
    WebSocketChannel,
    has_length,
)

__all__ = [
    "CLOSE_CODES",
    "SCOPE_CONNECTION",
    "ConnectionClosedError",
    "Connector",
    "follow",
    "serve_connected",
    "serve_http",
    "serve_socket",
]

_CHANNEL: Final = "keyturn.channel"
_OWNERS: Final = "keyturn.owners"

Owner: TypeAlias = tuple[Connector | Verifier, Principal]
"""Whose connection it is, and where its end is known."""


async def serve_connected(
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    auth: Connector | Verifier,
    principal: Principal,
    error_page: str,
) -> None:
    """Run ``app`` for one WebSocket or stream, which is closed when the session or the token of ``principal`` ends.

    The application then receives a disconnect, and sends raise ``ConnectionClosedError``. The connection is in
    ``scope["keyturn.connection"]``: a newer token is presented by ``renew``.
    """
    channel = (WebSocketChannel if scope["type"] == "websocket" else StreamChannel)(receive, send, scope, error_page)
    await channel.follow(scope, auth, principal)
    await channel.run(app, scope)


async def serve_socket(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run ``app`` for a WebSocket that the application authenticates itself, by ``follow``."""
    channel = WebSocketChannel(receive, send, scope, "")
    scope[_CHANNEL] = channel
    await channel.run(app, scope)


async def serve_http(app: AsgiApp, scope: Scope, receive: Receive, send: Send, owner: Owner | None = None) -> None:
    """Run ``app`` for a request. A response that is streamed, and declares no length, ends with the session.

    ``owner``: whose request it is; by default, the application authenticates it, by ``follow``.
    """
    # Lists, not objects with methods: every request pays for these lines, and few responses are streams.
    owners: Sequence[Owner] = scope.setdefault(_OWNERS, []) if owner is None else (owner,)
    opened: list[StreamChannel] = []
    try:
        await app(scope, receive, _watch(send, owners, opened, (receive, scope, asyncio.current_task())))
    except (Exception, asyncio.CancelledError) as error:
        if not opened or not opened[0].is_cause_of(error):
            raise
    finally:
        if opened:
            await opened[0].finish()
    if opened:
        opened[0].require_complete()


async def follow(scope: Scope, auth: Connector | Verifier, principal: Principal) -> None:
    """Close a connection that runs in ``serve_socket`` or ``serve_http`` when the session of ``principal`` ends."""
    if _OWNERS in scope:
        scope[_OWNERS][:] = [(auth, principal)]
    elif _CHANNEL in scope:
        await scope[_CHANNEL].follow(scope, auth, principal)


def _watch(
    send: Send, owners: Sequence[Owner], opened: list[StreamChannel], context: tuple[Receive, Scope, Any]
) -> Send:
    """Return ``send``, which opens a channel once the response turns out to be a stream without an end in sight."""
    start: Message | None = None

    def watch(message: Message) -> Awaitable[None]:
        nonlocal start
        if start is None:
            start = message
        elif "more_body" in message or opened:
            return _send_part(message, send, start, owners, opened, context)
        return send(message)

    return watch


async def _send_part(
    part: Message,
    send: Send,
    start: Message,
    owners: Sequence[Owner],
    opened: list[StreamChannel],
    context: tuple[Receive, Scope, Any],
) -> None:
    """Send a part of a response that may be a stream, by its channel if it is one."""
    if not opened and owners and part.get("more_body") and not has_length(start.get("headers", ())):
        receive, scope, task = context
        channel = StreamChannel(receive, send, scope, "", task)
        channel.note(start)
        opened.append(channel)
        await channel.follow(scope, *owners[-1])
    await (opened[0].send if opened else send)(part)

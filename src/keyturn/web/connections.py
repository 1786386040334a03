"""ASGI applications served until the session ends: WebSockets, and responses that go on without an end in sight."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

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


def serve_http(
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    opening: tuple[Connector | Verifier, Principal] | None = None,
) -> Awaitable[None]:
    """Run ``app`` for a request. A response that is streamed, and declares no length, ends with the session.

    ``opening``: whose request it is; by default, the application authenticates it, by ``follow``.
    """
    scope[_CHANNEL] = response = _Response(scope, receive, send, opening)
    return response.run(app)


async def follow(scope: Scope, auth: Connector | Verifier, principal: Principal) -> None:
    """Close a connection that runs in ``serve_socket`` or ``serve_http`` when the session of ``principal`` ends."""
    channel = scope.get(_CHANNEL)
    if channel is not None:
        await channel.follow(scope, auth, principal)


class _Response:
    """Response of a request that its route authenticates.

    Its channel is opened once it turns out to be a stream without an end in sight. Most are not, and pay nothing.
    """

    __slots__ = ("_channel", "_opening", "_receive", "_scope", "_send", "_start", "_task")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        opening: tuple[Connector | Verifier, Principal] | None,
    ) -> None:
        self._scope, self._receive, self._send, self._opening = scope, receive, send, opening
        self._task: asyncio.Task[Any] | None = None
        self._start: Message | None = None
        self._channel: StreamChannel | None = None

    async def run(self, app: AsgiApp) -> None:
        self._task = asyncio.current_task()
        try:
            await app(self._scope, self._receive, self.send)
        except (Exception, asyncio.CancelledError) as error:
            if self._channel is None or not self._channel.is_cause_of(error):
                raise
        finally:
            if self._channel is not None:
                await self._channel.finish()
        if self._channel is not None:
            self._channel.require_complete()

    async def follow(self, _scope: Scope, auth: Connector | Verifier, principal: Principal) -> None:
        self._opening = auth, principal

    def send(self, message: Message) -> Awaitable[None]:
        if self._channel is not None:
            return self._channel.send(message)
        if self._start is None:
            self._start = message
        elif self._opening is not None and message.get("more_body"):
            opening, self._opening = self._opening, None
            return self._send_first(message, self._start, *opening)
        return self._send(message)

    async def _send_first(
        self, part: Message, start: Message, auth: Connector | Verifier, principal: Principal
    ) -> None:
        if not has_length(start.get("headers", ())):
            self._channel = StreamChannel(self._receive, self._send, self._scope, "", self._task)
            self._channel.note(start)
            await self._channel.follow(self._scope, auth, principal)
        await self.send(part)

"""Types of the ASGI 3.0 interface, and the sending of a reply."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from keyturn.web.message import Reply

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def send_reply(reply: Reply, send: Send, prefix: str = "http") -> None:
    """Send a reply. ``prefix``: of the message types; ``websocket.http`` for the denial of a WebSocket handshake."""
    await send({"type": f"{prefix}.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": f"{prefix}.response.body", "body": reply.body})

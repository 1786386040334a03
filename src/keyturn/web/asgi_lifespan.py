"""Scopes of ASGI besides HTTP: the lifespan of the endpoints as an application of their own, and WebSockets."""

from collections.abc import Mapping
from typing import Any

from keyturn.errors import Refusal
from keyturn.web.application import OpenableIssuer
from keyturn.web.asgi_messages import Receive, Send, send_reply
from keyturn.web.message import Reply

REFUSED_SOCKET = 1008  # RFC 6455 section 7.4.1: policy violation; servers answer 403 before the handshake


async def run_lifespan(issuer: OpenableIssuer, receive: Receive, send: Send) -> None:
    """Open the issuer at the start and close it at the end (ASGI lifespan protocol 2.0)."""
    await receive()
    try:
        await issuer.__aenter__()
    except Refusal as refusal:
        await send({"type": "lifespan.startup.failed", "message": str(refusal)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await issuer.__aexit__(None, None, None)
    await send({"type": "lifespan.shutdown.complete"})


async def refuse_handshake(scope: Mapping[str, Any], receive: Receive, send: Send, reply: Reply, reason: str) -> None:
    """Refuse a WebSocket handshake with a reply, where the server can send one (WebSocket Denial Response)."""
    await receive()  # websocket.connect
    if "websocket.http.response" in scope.get("extensions", ()):
        return await send_reply(reply, send, "websocket.http")
    return await send({"type": "websocket.close", "code": REFUSED_SOCKET, "reason": reason})

"""A server under uvicorn that echoes on WebSockets and streams events: an issuer's own, or a resource server's."""

import asyncio
import os
from typing import Any

import uvicorn

from keyturn import AsyncIssuer, AsyncVerifier
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware
from keyturn.server.app import build_app
from keyturn.web.connections import SCOPE_CONNECTION, serve_connected


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer each message; one that begins with ``token `` presents a newer token."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        text = message.get("text") or ""
        if text.startswith("token "):
            await scope[SCOPE_CONNECTION].renew(text.removeprefix("token "))
        await send({"type": "websocket.send", "text": text[:10]})


async def stream(_: Any, receive: Any, send: Any) -> None:
    """Send an event ten times per second, for as long as the client and its session stay."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while True:
        await send({"type": "http.response.body", "body": b"data: news\n\n", "more_body": True})
        await asyncio.sleep(0.1)


def build(auth: AsyncIssuer | AsyncVerifier) -> Any:
    """Return the guarded application."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            return await echo(scope, receive, send)
        return await serve_connected(
            stream, scope, receive, send, auth=auth, principal=scope[PRINCIPAL], error_page="https://example.com/"
        )

    return AuthMiddleware(serve, issuer=auth) if isinstance(auth, AsyncIssuer) else AuthMiddleware(serve, verifier=auth)


def build_issuer() -> Any:
    """Return the endpoints of an issuer, and the guarded application below ``/live``."""
    auth = AsyncIssuer.from_env()
    login, guarded = build_app(auth), build(auth)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        is_live = scope["type"] == "websocket" or (scope["type"] == "http" and scope["path"] == "/live")
        await (guarded if is_live else login)(scope, receive, send)

    return app


def build_service() -> Any:
    """Return the guarded application of a resource server."""
    issuer = os.environ["ISSUER"]
    return build(AsyncVerifier(issuer, issuer, service_token=os.environ["SERVICE_TOKEN"], staleness_seconds=2))


if __name__ == "__main__":
    app = build_service() if "ISSUER" in os.environ else build_issuer()
    lifespan: Any = "off" if "ISSUER" in os.environ else "on"
    uvicorn.run(app, port=int(os.environ["PORT"]), lifespan=lifespan, log_level="warning")

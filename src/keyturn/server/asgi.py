"""Conversion of ASGI messages to ``web`` requests and replies, with limits on size and time."""

import asyncio
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from keyturn.errors import BadRequest, HeadersTooLarge, NotFound, PayloadTooLarge, RequestTimeout
from keyturn.server.client_address import Network, client_address
from keyturn.web.message import Reply, Request

BODY_BYTES = 16 * 1024
HEADER_BYTES = 32 * 1024
HEADER_COUNT = 100
BODY_SECONDS = 10.0

CONNECTION = "keyturn.connection"
"""Name of the ASGI extension that holds the connection of the request."""

ERROR_PAGE = "keyturn.error_page"
"""Key of the lifespan state under which the application names the page that problem documents link to."""


async def read_request(scope: Scope, receive: Receive, trusted: Sequence[Network]) -> Request:
    """Read a request and its body.

    Raises ``NotFound``, ``PayloadTooLarge``, ``RequestTimeout`` or ``BadRequest``.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if b"%" in scope.get("raw_path", b""):
        # No path of the API needs an escape. An escaped spelling would bypass path rules of a proxy (CWE-177).
        raise NotFound("the path contains %; no path of the API does")
    if len(headers) > HEADER_COUNT or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES:
        raise HeadersTooLarge(
            hint=f"The request headers exceed the limit of {HEADER_COUNT} fields or {HEADER_BYTES} bytes."
        )
    peer = scope["client"][0] if scope.get("client") else ""
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=await _read_body(headers, receive),
        address=client_address(peer, [value for name, value in headers if name == b"x-forwarded-for"], trusted),
        scheme=scope["scheme"],
    )


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a reply."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": reply.body})


async def _read_body(headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes:
    content_lengths = [value for name, value in headers if name == b"content-length"]
    # Parse 20 digits at most: int() raises ValueError for thousands of digits.
    if content_lengths and content_lengths[0].isdigit() and int(content_lengths[0][:20]) > BODY_BYTES:
        raise PayloadTooLarge(
            f"Content-Length is {content_lengths[0][:20].decode()}; at most {BODY_BYTES} bytes are accepted"
        )
    try:
        # A body that is sent slowly must not occupy a connection for ever (slowloris, CWE-400).
        async with asyncio.timeout(BODY_SECONDS):
            return await _receive_body(receive)
    except TimeoutError:
        raise RequestTimeout(f"the body took longer than {BODY_SECONDS:.0f} s") from None


async def _receive_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client disconnected before the end of the body")
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > BODY_BYTES:
            raise PayloadTooLarge(f"the body exceeds {BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return body

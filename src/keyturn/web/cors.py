"""CORS of the endpoints and of guarded routes: answers to preflights, and headers of every other reply."""

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from keyturn.core.cors import (
    ALLOW_ORIGIN,
    VARY,
    TrustedOrigins,
    cors_headers,
    is_from_app,
    is_preflight,
    preflight_headers,
)
from keyturn.web.asgi_messages import Message, Send
from keyturn.web.message import Header, Reply, Request

ENDPOINT_METHODS = b"DELETE, GET, HEAD, POST"
ENDPOINT_HEADERS = b"Authorization, Content-Type, Last-Event-ID, X-CSRF-Token, X-Request-Id"


def preflight_reply(
    method: str, headers: Sequence[Header], trusted: TrustedOrigins, methods: bytes = b"", names: bytes = b""
) -> Reply | None:
    """Return the reply to a preflight of a page of a trusted origin, else None.

    It needs no store: a page can read the 503 of the request that follows. ``methods`` and ``names``: as in
    ``preflight_headers``.
    """
    if not is_preflight(method, headers):
        return None
    found = preflight_headers(headers, trusted, methods, names)
    return Reply(204, found) if found else None


def with_cors(reply: Reply, origin: Sequence[bytes], trusted: TrustedOrigins) -> Reply:
    """Return the reply with its CORS headers. ``origin``: all values of the request's Origin header.

    A reply that has such headers (public documents, the answer to a preflight) is left as it is. Every other reply is
    ``no-store``: for other origins it needs no Vary.
    """
    added = cors_headers(origin, trusted)
    if not added or _has_cors(reply.headers):
        return reply
    return replace(reply, headers=(*reply.headers, *added))


def with_cors_send(send: Send, headers: Sequence[Header], trusted: TrustedOrigins) -> Send:
    """Return a ``send`` that adds the CORS headers to a response of the application that has none.

    ``headers``: those of the request.
    """
    if not (trusted.sites or trusted.apps):
        return send
    added = cors_headers(origin_values(headers), trusted) or (VARY,)

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add(message, added)
        await send(message)

    return send_with_headers


def without_app_cookies(request: Request, trusted: TrustedOrigins) -> Request:
    """Return the request without its cookies if a page of an app shell sent it: it may use bearer tokens only."""
    if not is_from_app(request.values(b"origin") if trusted.apps else (), trusted):
        return request
    return replace(request, headers=[each for each in request.headers if each[0] != b"cookie"])


def origin_values(headers: Sequence[Header]) -> list[bytes]:
    """Return every value of the Origin header."""
    return [value for name, value in headers if name == b"origin"]


def _add(message: MutableMapping[str, Any], added: Sequence[Header]) -> None:
    present: list[Header] = list(message.get("headers", ()))
    if not _has_cors(present):
        message["headers"] = [*present, *added]


def _has_cors(headers: Sequence[Header]) -> bool:
    return any(name.lower() == ALLOW_ORIGIN for name, _ in headers)

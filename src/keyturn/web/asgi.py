"""ASGI application of the endpoints, for any ASGI server or framework, with limits on size and time."""

import asyncio
import time
from collections.abc import Callable, Sequence

from keyturn.errors import BadRequest, ConfigurationError, NotFound, Refusal, RequestTimeout
from keyturn.flows import drive_async
from keyturn.web.application import EndpointsApplication, Exchange, OpenableIssuer
from keyturn.web.asgi_lifespan import refuse_handshake, run_lifespan
from keyturn.web.asgi_messages import Receive, Scope, Send, send_reply
from keyturn.web.client_address import TrustedNetwork, client_address
from keyturn.web.config import DEFAULT_PREFIX
from keyturn.web.cors import origin_values
from keyturn.web.limits import (
    BODY_SECONDS,
    FLOW_SECONDS,
    MAX_REQUESTS,
    check_body,
    check_content_length,
    check_headers,
    check_path,
    flow_timeout,
)
from keyturn.web.message import Header, Reply, Request
from keyturn.web.mount import RouteTarget
from keyturn.web.route import Route


class AsgiEndpoints(EndpointsApplication):
    """ASGI application of an issuer's endpoints: ``/auth/...``, ``/.well-known/...``, ``/docs/errors``.

    Mount it at the root of the issuer's host, or at its prefix and once more at ``/.well-known``. ``issuer``: an
    ``AsyncIssuer``. ``observe``: called after each reply. ``prefix``: path of the endpoints below the issuer's URL.
    ``trusted_origins``: other origins whose pages may call, beside those of the issuer's settings.
    """

    def __init__(
        self,
        issuer: OpenableIssuer,
        observe: Callable[[Exchange], None] | None = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        trusted_origins: tuple[str, ...] = (),
    ) -> None:
        if not hasattr(issuer, "ready"):
            raise ConfigurationError("AsgiEndpoints needs an AsyncIssuer; for an Issuer use WsgiEndpoints")
        super().__init__(issuer, observe, prefix=prefix, trusted_origins=trusted_origins)
        self._issuer = issuer
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the lifespan of an application that is only this one. WebSockets are refused."""
        handle_scope = self._handle_request if scope["type"] == "http" else self._handle_other
        await handle_scope(scope, receive, send)

    async def _handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = time.perf_counter()
        method, target = scope["method"], self._target(*split_path(scope))
        found = self._find(method, target)
        reply = self._preflight(method, scope["headers"])
        if reply is None and self._running < MAX_REQUESTS:
            reply = await self._reply(scope, target, receive, found)
        reply = self._with_cors(reply or self._refuse_overload(method, target), origin_values(scope["headers"]))
        await send_reply(reply, send)
        self._record(method, found, reply, time.perf_counter() - started_at)

    async def _handle_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await run_lifespan(self._issuer, receive, send)
        if scope["type"] != "websocket":
            raise ValueError(f"AsgiEndpoints takes no scopes of the type {scope['type']}")
        refusal = NotFound("the endpoints have no WebSocket")
        reply = self._refuse(refusal, "GET", self._target(*split_path(scope)))
        return await refuse_handshake(scope, receive, send, reply, refusal.code)

    async def _reply(self, scope: Scope, target: RouteTarget, receive: Receive, found: Route | Refusal) -> Reply:
        self._running += 1
        try:
            request = await read_request(scope, target.path, receive, self._trusted)
            async with asyncio.timeout(FLOW_SECONDS):
                parts = self._issuer.current or await self._issuer.ready()
                return await drive_async(self._handle(request, *self._present(parts, target), found), parts.ports)
        except Refusal as refusal:
            return self._refuse(refusal, scope["method"], target)
        except TimeoutError:
            return self._refuse(flow_timeout(), scope["method"], target)
        except Exception:
            return self._refuse_unexpected(scope["method"], target)
        finally:
            self._running -= 1


def split_path(scope: Scope) -> tuple[str, str]:
    """Return the path that the application is mounted at, and the path below it.

    ``path`` includes ``root_path`` (ASGI 3.0, HTTP connection scope). Older servers leave it out.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return root, path[len(root) :] if path.startswith(root + "/") else path


def path_of(scope: Scope) -> str:
    """Return the path below the one that the application is mounted at."""
    return split_path(scope)[1]


async def read_request(scope: Scope, path: str, receive: Receive, trusted: Sequence[TrustedNetwork]) -> Request:
    """Read a request and its body. ``trusted``: networks of the proxies whose X-Forwarded-For counts.

    Raises ``NotFound``, ``HeadersTooLarge``, ``PayloadTooLarge``, ``RequestTimeout`` or ``BadRequest``.
    """
    headers: list[Header] = scope["headers"]
    check_path(scope.get("raw_path") or b"")
    check_headers(headers, scope.get("http_version", "1.1"))
    peer = scope["client"][0] if scope.get("client") else ""
    return Request(
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=await _read_body(headers, receive),
        address=client_address(peer, [value for name, value in headers if name == b"x-forwarded-for"], trusted),
        scheme=scope.get("scheme", "http"),
    )


async def _read_body(headers: Sequence[Header], receive: Receive) -> bytes:
    content_lengths = [value for name, value in headers if name == b"content-length"]
    if content_lengths:
        check_content_length(content_lengths[0])
    try:
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
        check_body(body)
        if not message.get("more_body", False):
            return body

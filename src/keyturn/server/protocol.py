"""uvicorn's HTTP protocol with additional limits: a slow client cannot occupy a connection or its memory."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from keyturn.core.cors import NO_ORIGINS
from keyturn.errors import BadRequest, Overloaded, Refusal, RequestTimeout
from keyturn.server.extensions import CONNECTION, ERROR_PAGE, ORIGINS
from keyturn.web.asgi_messages import send_reply
from keyturn.web.cors import ENDPOINT_HEADERS, ENDPOINT_METHODS, origin_values, preflight_reply, with_cors
from keyturn.web.limits import BODY_SECONDS, MAX_HEAD_BYTES, MAX_REQUESTS, has_one_host, several_hosts
from keyturn.web.problem import problem

HEAD_SECONDS = 10.0
"""Time limit from the opening of a connection, or the first byte of a later request, to the end of its headers."""

GRACE_SECONDS = 5.0
"""Seconds after ``BODY_SECONDS`` at which the connection is closed, even if the application has replied."""

HEAD_BYTES = 2 * MAX_HEAD_BYTES
"""Size at which incomplete headers are no longer read. The application checks smaller ones."""


_MAX_CONNECTIONS = MAX_REQUESTS
"""Maximum connections of a worker. Requests on others are refused; uvicorn's own limit sends no Retry-After."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP protocol that limits the time and the size of a request from its first byte (slowloris, CWE-400)."""

    _deadline: TimerHandle | None = None
    _reading: Literal["nothing", "head", "body"] = "nothing"
    _head_bytes = 0
    _has_received_request = False
    on_shutdown: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself does
        """Accept a connection and start the time limit of its first request."""
        super().connection_made(transport)
        self._set_deadline(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit of a closed connection."""
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes. Refuse headers longer than ``HEAD_BYTES``."""
        super().data_received(data)
        self._head_bytes += len(data) if self._reading == "head" else 0
        if self._head_bytes > HEAD_BYTES:
            self._refuse(BadRequest(f"the headers exceed {HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        """Start the time limit of the request's headers."""
        super().on_message_begin()
        cast("dict[str, object]", self.scope)["extensions"] = {CONNECTION: self}
        self._reading, self._head_bytes = "head", 0
        self._set_deadline(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Start the time limit of the body. Refuse the request if the worker has too many connections."""
        self._set_deadline(BODY_SECONDS + GRACE_SECONDS)
        app = self.app
        if len(self.connections) > _MAX_CONNECTIONS:
            self.app = _refuse_overload
        elif not self._has_one_host():
            self.app = _refuse_host
        super().on_headers_complete()
        self.app = app
        self._reading, self._head_bytes, self._has_received_request = "body", 0, True

    def on_message_complete(self) -> None:
        """Cancel the time limit: from now on uvicorn's keep-alive timeout applies."""
        self._reading = "nothing"
        self._set_deadline(None)
        super().on_message_complete()

    def shutdown(self) -> None:
        """End a stream on shutdown, which would otherwise never finish."""
        if self.on_shutdown is not None:
            self.on_shutdown()
        super().shutdown()

    def abort(self) -> None:
        """Close at once and discard unsent data."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Send invalid HTTP the same problem document as other malformed requests."""
        self._refuse(BadRequest(msg))

    def _has_one_host(self) -> bool:
        return has_one_host(self.headers, self.parser.get_http_version() if self.parser is not None else "")

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._time_out)

    def _time_out(self) -> None:
        self._refuse(RequestTimeout("the request was not complete in time"))

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        if self._can_reply():
            self.transport.write(_encode_reply(refusal, _error_page(self.app_state)))
        self.transport.close()

    def _can_reply(self) -> bool:
        # While an earlier request on this connection waits for its response, the client would mistake ours for it.
        if self._reading == "body":
            return not (self.pipeline or self.cycle.response_started)
        return not self._has_received_request or self.cycle.response_complete


def _error_page(state: Mapping[str, Any]) -> str:
    # Another application than Keyturn's sets no state: then the link is relative (RFC 9457 section 3.1.1).
    error_page: str = state.get(ERROR_PAGE, "/docs/errors")
    return error_page


def _encode_reply(refusal: Refusal, error_page: str) -> bytes:
    reply = problem(refusal, error_page)
    lines = [name + b": " + value + b"\r\n" for name, value in (*reply.headers, (b"connection", b"close"))]
    return STATUS_LINE[reply.status] + b"".join(lines) + b"\r\n" + reply.body


async def _refuse_host(scope: Scope, _receive: Receive, send: Send) -> None:
    await send_reply(problem(several_hosts(), _error_page(scope.get("state", {})), scope["path"]), send)


async def _refuse_overload(scope: Scope, _receive: Receive, send: Send) -> None:
    # A page of a trusted origin reads the refusal, after the answer to its preflight.
    state, headers = scope.get("state", {}), scope["headers"]
    refusal = Overloaded(f"more than {_MAX_CONNECTIONS} connections to this worker")
    origins = state.get(ORIGINS, NO_ORIGINS)
    reply = preflight_reply(scope["method"], headers, origins, ENDPOINT_METHODS, ENDPOINT_HEADERS)
    reply = reply or problem(refusal, _error_page(state), scope["path"])
    await send_reply(with_cors(reply, origin_values(headers), origins), send)

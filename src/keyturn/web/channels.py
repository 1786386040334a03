"""Channels of ASGI connections, which are closed with their session: WebSockets by a close code, streams by their end.

Close codes of 4000 to 4999 are for private use (RFC 6455 section 7.4.2); 1013 is registered with IANA.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from keyturn.connections import AsyncConnection, ConnectionEnd
from keyturn.core.principal import Principal
from keyturn.errors import Refusal, RevocationUnknown, SessionEnded, TokenExpired
from keyturn.verifier import Verifier
from keyturn.web.asgi_messages import AsgiApp, Message, Receive, Scope, Send, send_reply
from keyturn.web.message import Reply
from keyturn.web.problem import problem

SCOPE_CONNECTION = "keyturn.connection"
"""Key of the ``AsyncConnection`` in the scope."""

_CHANNEL: Final = "keyturn.channel"

CLOSE_CODES: Final = {
    ConnectionEnd.SESSION_ENDED: 4401,
    ConnectionEnd.TOKEN_EXPIRED: 4498,
    ConnectionEnd.UNKNOWN: 1013,
}
"""Close code of a WebSocket for each end. The close reason is the code of the error."""

CANCEL_SECONDS: Final = 10.0
"""Time that an application has to return after its connection was closed; then its task is cancelled."""

_REFUSALS: Final[dict[ConnectionEnd, type[Refusal]]] = {
    ConnectionEnd.SESSION_ENDED: SessionEnded,
    ConnectionEnd.TOKEN_EXPIRED: TokenExpired,
    ConnectionEnd.UNKNOWN: RevocationUnknown,
}


class Connector(Protocol):
    """``AsyncIssuer`` or ``AsyncVerifier``."""

    def connection(self, principal: Principal, on_end: Callable[[ConnectionEnd], None]) -> AsyncConnection: ...


class ConnectionClosedError(OSError):
    """The application sent on a connection that was closed because its session ended (ASGI 3.0: an ``OSError``)."""


def _connect(
    auth: Connector | Verifier, principal: Principal, on_end: Callable[[ConnectionEnd], None]
) -> AsyncConnection:
    if isinstance(auth, Verifier):
        return auth.async_connection(principal, on_end)
    return auth.connection(principal, on_end)


class Channel(ABC):
    """The messages of one connection, until its end."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        scope: Scope,
        error_page: str,
        task: "asyncio.Task[Any] | None" = None,
    ) -> None:
        self._receive = receive
        self._send = send
        self.scope = scope
        self._error_page = error_page
        self._task = task or cast("asyncio.Task[Any]", asyncio.current_task())
        self._end: ConnectionEnd | None = None
        self._receiving: set[asyncio.Future[Message]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_cancelled = False
        self._has_returned = False
        self._is_cut = False
        self._connection: AsyncConnection | None = None

    async def follow(self, scope: Scope, auth: Connector | Verifier, principal: Principal) -> None:
        """Open the connection of ``principal``, unless one is open."""
        if self._connection is None:
            connection = _connect(auth, principal, self.end)
            self._connection = scope[SCOPE_CONNECTION] = await connection.__aenter__()

    async def run(self, app: AsgiApp, scope: Scope) -> None:
        """Run the application until it returns, and forget the connection."""
        try:
            await app(scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError) as error:
            if not self.is_cause_of(error):
                raise
        finally:
            await self.finish()
        self.require_complete()

    def is_cause_of(self, error: BaseException) -> bool:
        """Return True for an error of the application that nothing but the end of the connection caused."""
        if isinstance(error, asyncio.CancelledError):
            return self._is_cancelled and self._uncancel() == 0
        return _is_closed_error(error)

    def require_complete(self) -> None:
        """Raise ``ConnectionClosedError`` if a response was left incomplete.

        A middleware around this one would complete it.
        """
        if self._is_cut:
            raise ConnectionClosedError("the response was left incomplete, because its session ended")

    async def finish(self) -> None:
        """Forget the connection, and wait until it is closed if it has ended. The application has returned."""
        self._has_returned = True
        if self._connection is not None:
            await self._connection.__aexit__()
        if self._timer is not None:
            self._timer.cancel()
        if self._closing is not None:
            await self._closing
        if self._is_cancelled:  # the application caught it: what awaits after it must not be cancelled
            self._uncancel()

    def end(self, end: ConnectionEnd) -> None:
        """Close the connection. Called in the event loop."""
        self._end = end
        for each in self._receiving:
            each.cancel()
        # Not after a send of the application that waits: a client that does not read would stay connected.
        self._closing = asyncio.create_task(self._close(end))
        self._timer = asyncio.get_running_loop().call_later(CANCEL_SECONDS, self._cancel)

    async def receive(self) -> Message:
        """Receive a message, or a disconnect once the connection has ended."""
        if self._end is not None:
            return self._disconnect()
        message = asyncio.ensure_future(self._receive())
        self._receiving.add(message)
        try:
            return await message
        except asyncio.CancelledError:
            if not message.cancelled() or _is_cancelling():
                raise  # the application was cancelled, and not only its wait for a message
            return self._disconnect()
        finally:
            self._receiving.discard(message)

    async def send(self, message: Message) -> None:
        """Send a message. Raises ``ConnectionClosedError`` once the connection has ended."""
        if self._end is not None:
            raise ConnectionClosedError(f"the connection was closed: {self._end.value}")
        self.note(message)
        await self._send(message)

    def _cancel(self) -> None:
        if not self._has_returned:
            self._is_cancelled = True
            self._task.cancel()

    def _uncancel(self) -> int:
        """Take the cancellation of this channel back. Return the number of others that the task has."""
        self._is_cancelled = False
        return self._task.uncancel()

    async def _close(self, end: ConnectionEnd) -> None:
        with suppress(Exception):  # the client has left
            await self._send_close(end)

    @abstractmethod
    def _disconnect(self) -> dict[str, Any]:
        """Return the message that tells the application of the end."""

    @abstractmethod
    async def _send_close(self, end: ConnectionEnd) -> None:
        """Close the connection to the client."""

    @abstractmethod
    def note(self, message: Message) -> None:
        """Note a message of the application."""


class WebSocketChannel(Channel):
    """The messages of a WebSocket."""

    _is_closed = False

    def _disconnect(self) -> dict[str, Any]:
        end = self._end or ConnectionEnd.UNKNOWN
        return {"type": "websocket.disconnect", "code": CLOSE_CODES[end], "reason": end.value}

    def note(self, message: Message) -> None:
        self._is_closed = message["type"] == "websocket.close"

    async def _send_close(self, end: ConnectionEnd) -> None:
        if not self._is_closed:
            await self._send({"type": "websocket.close", "code": CLOSE_CODES[end], "reason": end.value})


class StreamChannel(Channel):
    """The messages of a response over HTTP.

    A stream of events is completed. Any other body is left incomplete: its client must not take a part for the whole.
    """

    _headers: Iterable[tuple[bytes, bytes]] | None = None
    _is_complete = False

    def _disconnect(self) -> dict[str, Any]:
        return {"type": "http.disconnect"}

    def note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = message.get("headers", ())
        else:
            self._is_complete = not message.get("more_body", False)

    async def _send_close(self, end: ConnectionEnd) -> None:
        if self._headers is None:
            await send_reply(self._refusal(end), self._send)
        elif not self._is_complete:
            await self._end_body(self._headers)

    async def _end_body(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if is_event_stream(headers):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            self._is_cut = True
            self._cancel()

    def _refusal(self, end: ConnectionEnd) -> Reply:
        return problem(_REFUSALS[end]("the connection was open when it ended"), self._error_page, self.scope["path"])


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return True for server-sent events, whose clients know no end and connect again."""
    return any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def has_length(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return True if a response declares where it ends."""
    return any(name.lower() == b"content-length" for name, _ in headers)


def _is_closed_error(error: BaseException | None) -> bool:
    """Return True for the error of a send after the end, also as the cause of a framework's own error."""
    while error is not None and not isinstance(error, ConnectionClosedError):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""The revocation feed as Server-Sent Events (WHATWG HTML section 9.2): snapshot, entries, heartbeats."""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol, cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyturn import entropy
from keyturn.config.components import Components
from keyturn.core.feed import LogCursor, Progress, State
from keyturn.core.revocation import RevocationPage
from keyturn.errors import InvalidMember, Overloaded, Refusal
from keyturn.flows import Flow, drive_async
from keyturn.server.extensions import CONNECTION
from keyturn.server.feed_broadcaster import EncodedEvent, FeedBroadcaster, opening_event
from keyturn.server.metrics import Metrics
from keyturn.web.asgi_messages import send_reply
from keyturn.web.config import WebConfig
from keyturn.web.cors import with_cors_send
from keyturn.web.endpoints.service import FeedRequest, parse_feed_request
from keyturn.web.guard import require_feed_reader
from keyturn.web.message import Request
from keyturn.web.problem import problem

PATH = "/auth/revocations"
MAX_STREAMS = 1000
"""Maximum number of streams of a worker: half of its connections."""

MAX_CATCH_UPS = 4
"""Maximum number of readers of a worker that read the log concurrently to catch up."""

WRITE_SECONDS = 10.0
"""Time limit of a write. A reader that receives nothing for so long is disconnected."""

READ_SECONDS = 20.0

_HEADERS = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
_EVENT_ID = re.compile(rb"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")

_logger = structlog.get_logger("keyturn.feed")


class Connection(Protocol):
    """Connection of a stream. ``on_shutdown``: called when the server stops."""

    on_shutdown: Callable[[], None] | None

    def abort(self) -> None:
        """Close at once and discard unsent data."""
        ...


class FeedStream:
    """ASGI application that serves ``Accept: text/event-stream`` on the feed's path and passes the rest to ``app``.

    A stream ends after a bounded time, so that readers spread over the issuers, authenticate again and compare their
    clocks again (decision 0019). ``jitter``: a random number in [0, 1) that varies this time.
    """

    def __init__(
        self,
        components: Components,
        config: WebConfig,
        app: ASGIApp,
        metrics: Metrics,
        *,
        jitter: Callable[[], float] = entropy.jitter,
    ) -> None:
        self._components = components
        self._config = config
        self._app = app
        self._metrics = metrics
        self._jitter = jitter
        self._path = config.issuer_path + PATH
        bound_seconds = components.config.profile.token.staleness_seconds
        self._broadcaster = FeedBroadcaster(
            self._read,
            components.session_cache,
            bound_seconds / 4,
            components.config.secrets,
            wall_clock=components.certain_now,
            now=components.now,
        )
        self._max_seconds = min(600.0, 60.0 * bound_seconds)
        self._catch_ups = asyncio.Semaphore(MAX_CATCH_UPS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream, or call the wrapped application."""
        if scope["type"] != "http" or scope["path"] != self._path or not _is_stream_requested(scope):
            await self._app(scope, receive, send)
            return
        arrived_at = self._broadcaster.clock()
        send = with_cors_send(send, scope["headers"], self._config.origins)
        try:
            reader = self._admit(scope, send)
        except Refusal as refusal:
            await send_reply(problem(refusal, self._config.error_page, PATH), send)
            return
        self._metrics.streams.inc()
        try:
            await self._serve(reader, receive, arrived_at)
        finally:
            self._metrics.streams.dec()

    def _admit(self, scope: Scope, send: Send) -> "_Reader":
        request = Request("GET", PATH, scope["query_string"].decode("latin-1"), scope["headers"])
        require_feed_reader(request, self._config)
        if len(self._broadcaster) >= MAX_STREAMS:
            raise Overloaded("too many feed readers on this worker", retry_after_seconds=5)
        asked = _parse_request(request)
        ends_at = asyncio.get_running_loop().time() + self._max_seconds * (1 + self._jitter()) / 2
        connection = cast("Connection | None", scope.get("extensions", {}).get(CONNECTION))
        return _Reader(self._broadcaster, self._catch_ups, asked, send, ends_at, connection)

    async def _serve(self, reader: "_Reader", receive: Receive, arrived_at: float) -> None:
        self._broadcaster.join(reader.wakeup)
        watch_task = asyncio.create_task(reader.watch(receive))
        try:
            await reader.run(arrived_at)
        finally:
            watch_task.cancel()
            reader.leave()
            self._broadcaster.leave(reader.wakeup)

    async def _read(self, flow: Flow[RevocationPage]) -> RevocationPage:
        async with asyncio.timeout(READ_SECONDS):
            return await drive_async(flow, self._components.ports)


class _Reader:
    """One stream. ``asked``: request for its next page."""

    def __init__(
        self,
        broadcaster: FeedBroadcaster,
        catch_ups: asyncio.Semaphore,
        asked: FeedRequest,
        send: Send,
        ends_at: float,
        connection: Connection | None,
    ) -> None:
        self.wakeup = asyncio.Event()
        self._broadcaster = broadcaster
        self._catch_ups = catch_ups
        self._asked = asked
        self._send = send
        self._ends_at = ends_at
        self._connection = connection
        self._is_ended = False
        self._last_heartbeat = -1
        self._last_read = -1

    async def watch(self, receive: Receive) -> None:
        """Wait until the client disconnects, and end the stream."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def run(self, arrived_at: float) -> None:
        """Send events until the stream ends. ``arrived_at``: arrival of the request, by the broadcaster's clock."""
        if self._connection is not None:
            self._connection.on_shutdown = self._end
        try:
            await self._put({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await self._write(opening_event(self._broadcaster, arrived_at, self._asked.nonce))
            await self._send_all()
            await self._write(b"", more=False)
        except TimeoutError:
            await self._abort()

    def leave(self) -> None:
        """Release the connection for its next request, which must not happen before this one ends."""
        if self._connection is not None:
            self._connection.on_shutdown = None

    async def _send_all(self) -> None:
        time = asyncio.get_running_loop().time
        while not self._is_ended and time() < self._ends_at:
            self.wakeup.clear()
            if not await self._send_next():
                await self.wakeup.wait()

    async def _send_next(self) -> bool:
        """Send the next event. Return False if there is none."""
        broadcaster, cursor = self._broadcaster, self._asked.progress.cursor
        if self._last_read < 0:
            return await self._catch_up()
        event = broadcaster.page_after(cursor)
        if event is not None:
            await self._send_event(event)
        elif cursor == broadcaster.head:
            return await self._send_heartbeat()
        elif self._last_read == broadcaster.read_count:
            return False
        else:
            return await self._catch_up()
        return True

    async def _send_heartbeat(self) -> bool:
        if self._last_heartbeat == self._broadcaster.heartbeat_count:
            return False
        self._last_heartbeat = self._broadcaster.heartbeat_count
        await self._write(self._broadcaster.heartbeat)
        return True

    async def _catch_up(self) -> bool:
        """Read the log for this reader only: at its start, and while it is behind the broadcaster's cache."""
        self._last_read, self._last_heartbeat = self._broadcaster.read_count, self._broadcaster.heartbeat_count
        try:
            async with self._catch_ups:
                event = await self._broadcaster.read_page(self._asked)
        except Exception as error:  # the response has begun: it can only be ended, and the reader connects again
            _logger.warning("feed stream ended: the revocation log cannot be read", detail=repr(error))
            self._is_ended = True
            return True
        if isinstance(event, FeedRequest):
            self._asked, self._last_read = event, -1
            return True
        await self._send_event(event)
        self._last_read = self._last_read if event.is_last else -1
        return True

    async def _send_event(self, event: EncodedEvent) -> None:
        await self._write(event.body)
        state = State.FOLLOWING if event.is_last else self._asked.progress.state
        self._asked = FeedRequest(Progress(state, event.cursor))
        if event.cursor == self._broadcaster.head:
            self._last_heartbeat = self._broadcaster.heartbeat_count

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        await self._put({"type": "http.response.body", "body": body, "more_body": more})

    async def _put(self, message: Message) -> None:
        # For a reader that receives nothing, only the connection's own small buffer is kept in memory (CWE-400).
        async with asyncio.timeout(WRITE_SECONDS):
            await self._send(message)

    async def _abort(self) -> None:
        if self._connection is None:
            return
        self._connection.abort()
        while not self._is_ended:
            await self.wakeup.wait()
            self.wakeup.clear()

    def _end(self) -> None:
        self._is_ended = True
        self.wakeup.set()


def _parse_request(request: Request) -> FeedRequest:
    """Return the request for the page to continue with.

    Last-Event-ID takes precedence over the query, because a browser repeats its first query when it reconnects.
    """
    event_ids = request.values(b"last-event-id")
    asked = parse_feed_request(request)
    if not event_ids:
        return asked
    event_id = _EVENT_ID.fullmatch(event_ids[0])
    if event_id is None:
        raise InvalidMember("Last-Event-ID", "the id of an event of this stream")
    cursor = LogCursor(int(event_id[1]), int(event_id[2]), asked.progress.cursor.mark)
    return FeedRequest(Progress(State.FOLLOWING, cursor), asked.nonce)


def _is_stream_requested(scope: Scope) -> bool:
    accepts = [value for name, value in scope["headers"] if name == b"accept"]
    return scope["method"] == "GET" and any(b"text/event-stream" in value for value in accepts)

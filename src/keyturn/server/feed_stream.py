"""The revocation feed as Server-Sent Events (WHATWG HTML section 9.2): snapshot, entries, heartbeats."""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol, cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyturn import entropy
from keyturn.config.components import Components
from keyturn.core.revocation import RevocationPage
from keyturn.errors import InvalidMember, Overloaded, Refusal
from keyturn.flows import Flow, drive_async
from keyturn.server.asgi import CONNECTION, send_reply
from keyturn.server.feed_broadcaster import EncodedEvent, FeedBroadcaster, StreamCursor, opening_event
from keyturn.server.metrics import Metrics
from keyturn.web.config import WebConfig
from keyturn.web.endpoints.service import FeedCursor, parse_cursor
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
_MARK = re.compile(rb"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")

log = structlog.get_logger("keyturn.feed")


class Connection(Protocol):
    """Connection of a stream. ``on_shutdown``: called when the server stops."""

    on_shutdown: Callable[[], None] | None

    def abort(self) -> None:
        """Close at once and discard unsent data."""
        ...


class FeedStream:
    """ASGI application that serves ``Accept: text/event-stream`` on the feed's path and passes the rest to ``rest``.

    A stream ends after a bounded time, so that readers spread over the issuers, authenticate again and compare their
    clocks again (decision 0019). ``jitter``: a random number in [0, 1) that varies this time.
    """

    def __init__(
        self,
        parts: Components,
        site: WebConfig,
        rest: ASGIApp,
        metrics: Metrics,
        *,
        jitter: Callable[[], float] = entropy.jitter,
    ) -> None:
        self._parts = parts
        self._site = site
        self._rest = rest
        self._metrics = metrics
        self._jitter = jitter
        bound_seconds = parts.config.profile.token.staleness_seconds
        self._hub = FeedBroadcaster(self._read, parts.session_cache, bound_seconds / 4)
        self._longest_seconds = min(600.0, 60.0 * bound_seconds)
        self._looks = asyncio.Semaphore(MAX_CATCH_UPS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream, or call the wrapped application."""
        if scope["type"] != "http" or scope["path"] != PATH or not _wants_stream(scope):
            await self._rest(scope, receive, send)
            return
        came_at = self._hub.clock()
        try:
            reader = self._admit(scope, send)
        except Refusal as refusal:
            await send_reply(problem(refusal, PATH), send)
            return
        self._metrics.streams.inc()
        try:
            await self._serve(reader, receive, came_at)
        finally:
            self._metrics.streams.dec()

    def _admit(self, scope: Scope, send: Send) -> "_Reader":
        request = Request("GET", PATH, scope["query_string"].decode("latin-1"), scope["headers"])
        require_feed_reader(request, self._site)
        if len(self._hub) >= MAX_STREAMS:
            raise Overloaded("too many feed readers on this worker", retry_after_seconds=5)
        place, number = _begin(request)
        ends_at = asyncio.get_running_loop().time() + self._longest_seconds * (1 + self._jitter()) / 2
        connection = cast("Connection | None", scope.get("extensions", {}).get(CONNECTION))
        return _Reader(self._hub, self._looks, place, number, send, ends_at, connection)

    async def _serve(self, reader: "_Reader", receive: Receive, came_at: float) -> None:
        self._hub.join(reader.bell)
        watching = asyncio.create_task(reader.watch(receive))
        try:
            await reader.run(came_at)
        finally:
            watching.cancel()
            reader.leave()
            self._hub.leave(reader.bell)

    async def _read(self, flow: Flow[RevocationPage]) -> RevocationPage:
        async with asyncio.timeout(READ_SECONDS):
            return await drive_async(flow, self._parts.ports)


class _Reader:
    """One stream. ``place``: position to continue from. ``number``: id of the log, or None if the reader sent none."""

    def __init__(
        self,
        hub: FeedBroadcaster,
        looks: asyncio.Semaphore,
        place: FeedCursor,
        number: int | None,
        send: Send,
        ends_at: float,
        connection: Connection | None,
    ) -> None:
        self.bell = asyncio.Event()
        self._hub = hub
        self._looks = looks
        self._place = place
        self._number = number
        self._send = send
        self._ends_at = ends_at
        self._connection = connection
        self._over = False
        self._turn = -1
        self._looked = -1

    async def watch(self, receive: Receive) -> None:
        """Wait until the client disconnects, and end the stream."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def run(self, came_at: float) -> None:
        """Send events until the stream ends. ``came_at``: arrival of the request, by the broadcaster's clock."""
        if self._connection is not None:
            self._connection.on_shutdown = self._end
        try:
            await self._put({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await self._write(opening_event(self._hub, came_at, self._place.nonce))
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
        while not self._over and time() < self._ends_at:
            self.bell.clear()
            if not await self._send_next():
                await self.bell.wait()

    async def _send_next(self) -> bool:
        """Send the next event. Return False if there is none."""
        hub, spot = self._hub, self._cursor()
        if spot is None or self._looked < 0:
            return await self._catch_up()
        told = hub.page_after(spot)
        if told is not None:
            await self._send_event(told)
        elif spot == hub.head:
            return await self._send_heartbeat()
        elif self._looked == hub.looks:
            return False
        else:
            return await self._catch_up()
        return True

    async def _send_heartbeat(self) -> bool:
        if self._turn == self._hub.turn:
            return False
        self._turn = self._hub.turn
        await self._write(self._hub.beat)
        return True

    async def _catch_up(self) -> bool:
        """Read the log for this reader only: at its start, and while it is behind the broadcaster's cache."""
        self._looked, self._turn = self._hub.looks, self._hub.turn
        try:
            async with self._looks:
                told = await self._hub.read_page(self._place, self._number)
        except Exception as error:  # the response has begun: it can only be ended, and the reader connects again
            log.warning("a feed stream ends early", detail=repr(error))
            self._over = True
            return True
        if told is None:
            self._place, self._number, self._looked = FeedCursor(0, is_snapshot=True), None, -1
            return True
        await self._send_event(told)
        self._looked = self._looked if told.whole else -1
        return True

    async def _send_event(self, told: EncodedEvent) -> None:
        await self._write(told.body)
        self._place = FeedCursor(told.spot.sequence, is_snapshot=self._place.is_snapshot and not told.whole)
        self._number = told.spot.log
        if told.spot == self._hub.head:
            self._turn = self._hub.turn

    def _cursor(self) -> StreamCursor | None:
        return (
            None
            if self._place.is_snapshot or self._number is None
            else StreamCursor(self._number, self._place.sequence)
        )

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
        while not self._over:
            await self.bell.wait()
            self.bell.clear()

    def _end(self) -> None:
        self._over = True
        self.bell.set()


def _begin(request: Request) -> tuple[FeedCursor, int | None]:
    """Return the position to continue from and the id of its log.

    Last-Event-ID takes precedence over the query, because a browser repeats its first query when it reconnects.
    """
    marks = request.values(b"last-event-id")
    place = parse_cursor(request)
    if not marks:
        return place, None
    mark = _MARK.fullmatch(marks[0])
    if mark is None:
        raise InvalidMember("Last-Event-ID")
    return FeedCursor(int(mark[2]), is_snapshot=False, nonce=place.nonce), int(mark[1])


def _wants_stream(scope: Scope) -> bool:
    accepts = [value for name, value in scope["headers"] if name == b"accept"]
    return scope["method"] == "GET" and any(b"text/event-stream" in value for value in accepts)

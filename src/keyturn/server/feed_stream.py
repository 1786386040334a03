"""Stream: the revocation feed as Server-Sent Events (WHATWG HTML section 9.2). Snapshot, entries, heartbeats."""

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
"""Of one worker; half of the connections it takes."""

MAX_CATCH_UPS = 4
"""Readers of one worker who may catch up from the log at once."""

WRITE_SECONDS = 10.0
"""A reader that takes nothing for so long is cut off: its place is for others."""

READ_SECONDS = 20.0

_HEADERS = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
_MARK = re.compile(rb"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")

log = structlog.get_logger("keyturn.feed")


class Connection(Protocol):
    """What a stream needs of the connection beneath it. ``on_shutdown``: called when the server is told to stop."""

    on_shutdown: Callable[[], None] | None

    def abort(self) -> None:
        """Close at once; what was not sent is thrown away."""
        ...


class FeedStream:
    """Answers ``Accept: text/event-stream`` on the feed's path; everything else is ``rest``'s.

    ``jitter``: uniform in [0, 1). A stream ends after a bounded age, so that readers spread over issuers, prove
    themselves again, and compare their clocks with ours afresh (decision 0019).
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
        """Stream, or pass on."""
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
    """One stream. ``place`` and ``number``: where it goes on, in which log; ``None`` when the reader did not say."""

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
        """Notice when the reader leaves, or the server."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def run(self, came_at: float) -> None:
        """Tell, until it is over. ``came_at``: when the request came, by the hub's clock."""
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
        """The connection is for others from now on: not before, whatever else was sent on it meanwhile."""
        if self._connection is not None:
            self._connection.on_shutdown = None

    async def _send_all(self) -> None:
        time = asyncio.get_running_loop().time
        while not self._over and time() < self._ends_at:
            self.bell.clear()
            if not await self._send_next():
                await self.bell.wait()

    async def _send_next(self) -> bool:
        """Send what is there for this reader; whether there was anything to do."""
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
        """Read the log for this reader alone: when it comes, and while it is behind what the hub keeps."""
        self._looked, self._turn = self._hub.looks, self._hub.turn
        try:
            async with self._looks:
                told = await self._hub.read_page(self._place, self._number)
        except Exception as error:  # the answer has begun: all that is left is to end it, and the reader comes again
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
        # Of a reader that takes nothing, no more is kept than the connection's own small buffer (CWE-400).
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
    """Where a reader goes on. Its Last-Event-ID counts more: a browser repeats the query it began with."""
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

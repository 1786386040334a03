"""Broadcaster of the revocation log to the feed streams of a worker.

It reads the log once per change, encodes the event once and broadcasts it to every stream of the worker.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex

import msgspec
import structlog

from keyturn.clock import monotonic_raw
from keyturn.core.backoff import backoff_seconds
from keyturn.core.feed import Event, LogCursor, Progress, State
from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark
from keyturn.core.types import Instant
from keyturn.feed_schema import FeedEvent, OpeningEvent, feed_entries
from keyturn.flows import Flow
from keyturn.flows.revocation_pages import PAGE_LIMIT, head_page, page_after
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.web.endpoints.service import FeedRequest, read_feed

MAX_CACHED_PAGES = 256
MAX_CACHED_BYTES = 4 * 1024 * 1024
"""Total size of the pages kept for slow readers. A reader further behind reads the log separately."""

SECONDS_PER_READER = 0.00005
"""Pause between two reads of the log, per reader, so that broadcasting leaves the worker time for its requests."""

_logger = structlog.get_logger("keyturn.feed")

Read = Callable[[Flow[RevocationPage]], Awaitable[RevocationPage]]


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """An encoded event. ``cursor``: position of a reader after it. ``is_last``: it reaches the end of the log."""

    body: bytes
    cursor: LogCursor
    is_last: bool


class FeedBroadcaster:
    """Broadcaster of the revocation log; one per worker.

    It reads the log when the session cache reports a revocation, and every ``heartbeat_seconds``. A worker that cannot
    read the log sends nothing, so that its readers become stale. A reader joins with an ``asyncio.Event``, which is set
    when there may be an event to send.
    """

    def __init__(
        self,
        read: Read,
        session_cache: LocalSessionCache,
        heartbeat_seconds: float,
        secrets: Secrets,
        now: Callable[[], Instant],
        *,
        clock: Callable[[], float] = monotonic_raw,
        wall_clock: Callable[[], float | None] = time.time,
    ) -> None:
        self.clock_id = token_hex(8)
        self.heartbeat_seconds = heartbeat_seconds
        self.clock = clock
        self._wall_clock = wall_clock
        self.heartbeat_count = 0
        """Number of heartbeats broadcast."""
        self.read_count = 0
        """Number of reads of the log."""
        self.head: LogCursor | None = None
        self.heartbeat = b""
        self._read = read
        self._session_cache = session_cache
        self._secrets = secrets
        self._now = now
        self._pages: OrderedDict[LogCursor, EncodedEvent] = OrderedDict()
        self._wakeups: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._heartbeat_at = float("-inf")
        self._failures = 0

    def __len__(self) -> int:
        return len(self._wakeups)

    def join(self, wakeup: asyncio.Event) -> None:
        """Add a reader, whose ``wakeup`` is set after each read. The broadcaster runs while it has readers."""
        self._wakeups.add(wakeup)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, wakeup: asyncio.Event) -> None:
        """Remove the reader of ``wakeup``. Without readers the broadcaster stops."""
        self._wakeups.discard(wakeup)
        if not self._wakeups and self._task is not None:
            self._task.cancel()
            self._task = self.head = None
            self._pages.clear()

    def page_after(self, cursor: LogCursor) -> EncodedEvent | None:
        """Return the cached event that follows ``cursor``, or None."""
        return self._pages.get(cursor)

    async def read_page(self, asked: FeedRequest) -> EncodedEvent | FeedRequest:
        """Read the log for one reader. Return the start of a snapshot if entries are missing.

        Raises as a store does.
        """
        read_at = self.clock()
        page = await self._read(read_feed(asked, self._secrets, self._now()))
        if asked.progress.event(page.extent(asked.progress.cursor.sequence)) is not Event.PAGE:
            return FeedRequest(Progress(State.SNAPSHOT), is_restored=asked.is_restored or page.is_restored)
        return self._encode(asked, page, read_at)

    async def _run(self) -> None:
        loop, notification = asyncio.get_running_loop(), asyncio.Event()

        def notify(_: Revocation | None) -> None:
            if not notification.is_set():
                loop.call_soon_threadsafe(notification.set)

        stop = self._session_cache.subscribe(notify)
        try:
            while True:
                notification.clear()
                pause = await self._next_check()
                await asyncio.sleep(SECONDS_PER_READER * len(self._wakeups))
                with suppress(TimeoutError):
                    await asyncio.wait_for(notification.wait(), pause)
        finally:
            stop()

    async def _next_check(self) -> float:
        """Read the log and wake the readers. Return the seconds to wait for a notification before the next read."""
        try:
            more = await self._check_log()
            self._failures = 0
        except Exception as error:  # the next read may succeed; until then no events are sent
            more, self._failures = False, self._failures + 1
            _logger.warning("the revocation log cannot be read", detail=repr(error))
        self.read_count += 1
        for wakeup in self._wakeups:
            wakeup.set()
        if self._failures:
            return backoff_seconds(self._failures, 0.1, 1.0)
        return 0.0 if more else self.heartbeat_seconds

    async def _check_log(self) -> bool:
        """Read the log after ``head``. Return True if there is more to read."""
        head, read_at = self.head, self.clock()
        if head is None:
            return await self._find_head()
        asked = FeedRequest(Progress(State.FOLLOWING, head))
        page = await self._read(page_after(head.sequence))
        is_next = asked.progress.event(page.extent(head.sequence)) is Event.PAGE
        # Another mark at the same position: the log was put back from a backup and has grown again.
        if not is_next or sign_mark(page.start, self._secrets) != head.mark:
            return await self._find_head()
        event = self._encode(asked, page, read_at)
        if page.entries:
            self._cache_event(head, event)
            self.head = event.cursor
        if event.is_last and (page.entries or read_at - self._heartbeat_at >= self.heartbeat_seconds / 2):
            end, mark, now = page.sequence, event.cursor.mark, self._wall_time_at(read_at)
            heartbeat = FeedEvent(self.clock_id, page.log_id, end, end, [], read_at, mark, wall_time=now)
            self.heartbeat = _event("heartbeat", heartbeat)
            self._heartbeat_at = read_at
            self.heartbeat_count += 1
        return not event.is_last

    async def _find_head(self) -> bool:
        # A reader at another position catches up by reading the log separately.
        self._pages.clear()
        page = await self._read(head_page())
        self.head = self._cursor(page)
        return False

    def _cache_event(self, cursor: LogCursor, event: EncodedEvent) -> None:
        self._pages[cursor] = event
        while (
            len(self._pages) > MAX_CACHED_PAGES
            or sum(len(each.body) for each in self._pages.values()) > MAX_CACHED_BYTES
        ):
            self._pages.popitem(last=False)

    def _encode(self, asked: FeedRequest, page: RevocationPage, read_at: float) -> EncodedEvent:
        is_last = len(page.entries) < PAGE_LIMIT
        cursor = self._cursor(page)
        event = FeedEvent(
            self.clock_id,
            page.log_id,
            asked.progress.cursor.sequence,
            page.sequence,
            feed_entries(page),
            read_at if is_last else None,
            cursor.mark,
            asked.is_restored,
            self._wall_time_at(read_at) if is_last else None,
        )
        return EncodedEvent(_event("entries" if asked.progress.is_following else "snapshot", event), cursor, is_last)

    def _cursor(self, page: RevocationPage) -> LogCursor:
        return LogCursor(page.log_id, page.sequence, sign_mark(page.end, self._secrets))

    def _wall_time_at(self, moment: float) -> int | None:
        now = self._wall_clock()
        return None if now is None else int(now - (self.clock() - moment))


def opening_event(broadcaster: FeedBroadcaster, arrived_at: float, nonce: str) -> bytes:
    """Encode the first event of a stream.

    ``arrived_at``: time of the broadcaster's clock when the request arrived. A reader maps each ``stamp`` to its own
    clock by it. ``nonce``: that of the request. The event sets ``retry``, in milliseconds, for browsers.
    """
    opening = OpeningEvent(broadcaster.clock_id, arrived_at, broadcaster.heartbeat_seconds, nonce)
    return b"retry: 1000\nevent: opening\ndata: %s\n\n" % msgspec.json.encode(opening)


def _event(name: str, event: FeedEvent) -> bytes:
    # An id is a position to resume from. A snapshot is incomplete before its last page, so earlier pages have no id: a
    # reader that is disconnected within a snapshot starts again.
    event_id = (
        b"" if event.complete_as_of is None and name == "snapshot" else b"id: %d.%d\n" % (event.log, event.sequence)
    )
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), event_id, msgspec.json.encode(event))

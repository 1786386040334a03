"""The revocation feed from a Redis stream that the issuer writes, with the issuer's HTTP feed as a fallback.

``stores/redis/relay.py`` describes the entries and heartbeats of the stream.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

import msgspec

from keyturn import entropy
from keyturn.clock import boottime
from keyturn.core.feed import Event, LogCursor, PageExtent, Progress, State
from keyturn.core.revocation import Revocation
from keyturn.errors import StoreUnavailable, Unavailable
from keyturn.feed_schema import StreamEntry
from keyturn.stores.redis.address import Address, read_redis_address
from keyturn.stores.redis.connect import FAILURES, connect, redis_error_summary
from keyturn.stores.redis.relay import POINTER, stream_of
from keyturn.verifier.feed_reader import FeedReader
from keyturn.verifier.fetch import Fetch
from keyturn.verifier.http_feed import HttpFeed
from keyturn.verifier.sse import MAX_LAG_SHARE

_PAGE: Final = 1000
_MAX_POLLS: Final = 64

Id = tuple[int, int]


_decode = msgspec.json.Decoder(StreamEntry).decode


class RedisFeed(HttpFeed):
    """Feed for ``Verifier(feed=...)`` that reads from Redis.

    ``redis_url``: the Redis of ``KEYTURN_REDIS_CACHE``; read access suffices.
    ``url``, ``service_token``: the issuer's feed, polled first, and while Redis is unavailable or lags.
    The other parameters are those of ``HttpFeed``. Raises ``ConfigurationError`` for an unusable URL.
    """

    def __init__(
        self,
        redis_url: str,
        url: str | Callable[[], str],
        service_token: str | None = None,
        *,
        interval_seconds: float = 1.0,
        staleness_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = boottime,
        send: Fetch | None = None,
        jitter: Callable[[], float] = entropy.jitter,
    ) -> None:
        super().__init__(
            url,
            service_token,
            interval_seconds=interval_seconds,
            staleness_seconds=staleness_seconds,
            clock=clock,
            monotonic=monotonic,
            send=send,
            jitter=jitter,
        )
        self._address = read_redis_address(redis_url, "redis_url")

    def _stream(self, feed_reader: FeedReader, stop: threading.Event, first: Future[None] | None) -> None:
        if not feed_reader.progress.is_following:
            # A poll of the issuer is faster than waiting for heartbeats. If it fails, Redis alone suffices.
            self._try_poll(feed_reader, stop)
        if feed_reader.progress.is_following:
            self._resolve(first)
        RedisStreamReader(feed_reader).run(
            self._address, lambda: self._on_event(feed_reader.freshness.is_fresh(self._monotonic()), first, stop)
        )

    def _try_poll(self, feed_reader: FeedReader, stop: threading.Event) -> None:
        try:
            self._poll(feed_reader, stop)
        except Exception as error:  # any error: Redis alone may suffice
            self._feed_outage.failed(error)


class RedisStreamReader:
    """Reader of the Redis stream, over one connection, into a ``FeedReader``."""

    def __init__(self, reader: FeedReader) -> None:
        self._reader = reader
        self._monotonic = reader.monotonic
        # For each poll that reached the end of the stream: its time, and the last stream id then or later.
        self._polls: deque[tuple[float, Id]] = deque(maxlen=_MAX_POLLS)

    def run(self, address: Address, on_event: Callable[[], bool]) -> None:
        """Read until ``on_event``, called before every read, returns False.

        Raises ``Unavailable`` if Redis is unreachable, holds no feed, or lags.
        """
        bound_seconds = self._reader.freshness.bound_seconds
        started_at = self._monotonic()
        try:
            client = connect(address, deadline_seconds=3 * bound_seconds / 2, connections=2)
            try:
                log_id = self._find_position(client)
                while on_event():
                    self._read(client, log_id, bound_seconds / 8)
                    age = self._monotonic() - max(started_at, self._reader.freshness.complete_as_of)
                    if age > bound_seconds * MAX_LAG_SHARE:
                        raise Unavailable("the feed in Redis lags: no heartbeat in time from the issuer's relay")
            finally:
                client.close()
        except (*FAILURES, StoreUnavailable) as error:
            raise Unavailable(f"Redis: {redis_error_summary(error)}") from error

    def _find_position(self, client: Any) -> int:
        pointer = client.get(POINTER)
        if pointer is None:
            raise Unavailable(
                "no issuer relays the feed to this Redis: check redis_url, and KEYTURN_REDIS_CACHE of the issuer"
            )
        log_id, cursor = int(pointer), self._reader.cursor
        last_entry: Any = client.xrevrange(stream_of(log_id), count=1)
        end = LogCursor(log_id, _id(last_entry[0][0])[0] if last_entry else cursor.sequence)
        # A stream that ends before our position was recreated: its next entries would be skipped as known.
        if self._reader.progress.event(PageExtent(cursor.sequence, end, is_snapshot=False)) is not Event.PAGE:
            self._reader.restart()
            # A stream that lost entries says nothing about the log.
            self._reader.progress, self._reader.previous = Progress(State.GAP, LogCursor(log_id, 0)), None
        self._last: Id = (self._reader.cursor.sequence, 0)
        return log_id

    def _read(self, client: Any, log_id: int, wait_seconds: float) -> None:
        polled_at = self._monotonic()
        after = b"%d-%d" % self._last
        response = client.xread({stream_of(log_id): after}, count=_PAGE, block=max(1, int(1000 * wait_seconds)))
        entries: list[tuple[bytes, dict[bytes, bytes]]] = response[0][1] if response else []
        for name, fields in entries:
            self._apply(_id(name), fields, log_id)
        if len(entries) < _PAGE:
            self._polls.append((polled_at, self._last))
        if not entries and not self._reader.cursor.is_in(int(client.get(POINTER) or 0)):
            raise Unavailable("the issuer's revocation log was replaced by another")

    def _apply(self, name: Id, fields: dict[bytes, bytes], log_id: int) -> None:
        self._last, sequence = name, name[0]
        if (body := fields.get(b"e")) is not None:
            self._receive(LogCursor(log_id, sequence), [_revocation(sequence, body)])
        elif (before := fields.get(b"b")) is not None and sequence == self._reader.cursor.sequence:
            polled_at = self._complete_as_of(_id(before))
            if polled_at is not None:
                self._receive(LogCursor(log_id, sequence, self._reader.cursor.mark), [], is_last=True)
                self._reader.mark_complete(polled_at)

    def _receive(self, end: LogCursor, entries: list[Revocation], *, is_last: bool = False) -> None:
        self._reader.receive_next(PageExtent(self._reader.cursor.sequence, end, is_last), entries)

    def _complete_as_of(self, before: Id) -> float | None:
        """Return the latest poll time at which stream id ``before`` had not appeared, or None.

        The relay read the log after that time.
        """
        return next((polled_at for polled_at, last_id in reversed(self._polls) if last_id < before), None)


def _id(name: bytes) -> Id:
    sequence, _, counter = name.partition(b"-")
    return int(sequence), int(counter)


def _revocation(sequence: int, body: bytes) -> Revocation:
    try:
        return _decode(body).revocation(sequence)
    except msgspec.MsgspecError as error:
        # An entry that this verifier cannot decode must make it stale; it must never be skipped.
        raise Unavailable(f"the feed in Redis has an invalid entry: {error}") from error

"""Streaming of the revocation feed over Server-Sent Events (WHATWG HTML section 9.2)."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from urllib.request import Request

from keyturn import entropy
from keyturn.clock import monotonic_raw
from keyturn.errors import Unavailable
from keyturn.feed_schema import FeedEvent, OpeningEvent
from keyturn.verifier.deadline import BoundedResponse
from keyturn.verifier.event_stream import EventParser
from keyturn.verifier.feed_reader import FeedReader, check_nonce
from keyturn.verifier.fetch import FEED_BYTES, decode_as, display_url, open_response, request

MIN_CLOCK_RATE = 0.999
"""Lowest rate of a local clock against the issuer's: two quartz clocks drift less than this in one stream's minutes."""

_CHUNK = 64 * 1024

MAX_LAG_SHARE = 0.75
"""Share of the staleness bound. A stream with more lag is abandoned, while polling still has time to catch up."""

Chunks = Iterator[bytes]
Listen = Callable[[Request, float], AbstractContextManager[Chunks]]
"""Opens a stream of chunks. Takes the request and the longest silence in seconds. Raises ``Unavailable``."""


@contextmanager
def listen(stream_request: Request, seconds: float) -> Generator[Chunks]:
    """Open a stream. ``seconds``: longest silence. Raises ``Unavailable`` if it is no event stream or breaks off."""
    with open_response(stream_request, seconds) as response:
        content_type = response.headers.get_content_type()
        if content_type != "text/event-stream":
            raise Unavailable(
                f"{display_url(stream_request)} answered with {content_type!r}, expected 'text/event-stream'"
            )
        yield iter(partial(_read_chunk, response), b"")


def _read_chunk(response: BoundedResponse) -> bytes:
    # A stream has no overall deadline, but each chunk has: a slowly sent chunk header would block forever (CWE-400).
    response.deadline.restart()
    return response.read1(_CHUNK)


class SseReader:
    """Reads one stream into ``reader``.

    ``monotonic_raw``: monotonic seconds that NTP does not slew. ``nonce``: returns unique text.
    ``caught_up``: True once the issuer has reported a complete feed.
    """

    def __init__(
        self,
        reader: FeedReader,
        monotonic_raw: Callable[[], float] = monotonic_raw,
        nonce: Callable[[], str] = entropy.nonce,
    ) -> None:
        self.caught_up = False
        self._nonce = nonce()
        self._reader = reader
        self._monotonic_raw = monotonic_raw
        self._requested_at = reader.monotonic()
        self._requested_at_raw = monotonic_raw()
        self._opening: OpeningEvent | None = None

    def run(self, url: str, auth_header: Mapping[str, str], listen: Listen, on_event: Callable[[], bool]) -> None:
        """Read until the issuer ends the stream or ``on_event``, called after every event and chunk, returns False.

        ``auth_header`` authenticates the request. Raises ``Unavailable`` for a stream that breaks off, is malformed,
        has a gap, or lags.
        """
        bound_seconds = self._reader.freshness.bound_seconds
        with listen(self._request(url, auth_header), bound_seconds / 2) as chunks:
            for name, body in _events(chunks):
                if name:
                    self._handle_event(name, body)
                if not on_event():
                    return
                if (
                    self._reader.monotonic() - max(self._requested_at, self._reader.freshness.complete_as_of)
                    > bound_seconds * MAX_LAG_SHARE
                ):
                    raise Unavailable("the stream lags; polling instead")

    def _request(self, url: str, auth_header: Mapping[str, str]) -> Request:
        query, headers = f"nonce={self._nonce}", {"Accept": "text/event-stream", **auth_header}
        if self._reader.progress.is_following:
            cursor = self._reader.cursor
            headers["Last-Event-ID"] = f"{cursor.log_id}.{cursor.sequence}"
            # An older issuer ignores the mark; a longer Last-Event-ID it would refuse.
            query += f"&mark={cursor.mark}" if cursor.mark else ""
        return request(f"{url}?{query}", headers)

    def _handle_event(self, name: str, body: bytes) -> None:
        if name == "opening":
            self._opening = decode_as(OpeningEvent, body, FEED_BYTES, "the stream")
            check_nonce(self._opening.nonce, self._nonce)
        elif name in ("snapshot", "entries", "heartbeat"):
            self._apply(decode_as(FeedEvent, body, FEED_BYTES, "the stream"), is_snapshot=name == "snapshot")

    def _apply(self, event: FeedEvent, *, is_snapshot: bool) -> None:
        reader = self._reader
        if is_snapshot and event.after == 0:
            reader.restart(is_restored=event.restored)
        reader.receive_next(event.extent(is_snapshot=is_snapshot), [each.revocation() for each in event.entries])
        if event.complete_as_of is not None:
            complete_as_of = self._local_time(event.complete_as_of - self._require_clock(event.clock_id))
            reader.mark_complete(complete_as_of, event.wall_time)
            self.caught_up = True

    def _require_clock(self, clock_id: str) -> float:
        if self._opening is None or self._opening.clock_id != clock_id:
            raise Unavailable(f"feed event from process {clock_id!r}, but the stream was opened by another process")
        return self._opening.clock

    def _local_time(self, elapsed: float) -> float:
        """Return a local monotonic time no later than ``elapsed`` seconds after the issuer received the request.

        The issuer received the request after it was sent. Two local clocks measure the time since then: one runs on
        during system sleep, one is not slewed by NTP. The earlier result is used; it is never in the future.
        """
        min_elapsed = elapsed * (MIN_CLOCK_RATE if elapsed > 0 else 1 / MIN_CLOCK_RATE)
        age_seconds = max(0.0, self._monotonic_raw() - self._requested_at_raw - min_elapsed)
        return min(self._requested_at + min_elapsed, self._reader.monotonic() - age_seconds)


def _events(chunks: Chunks) -> Iterator[tuple[str, bytes]]:
    """Yield name and body of each event, and an empty name after every chunk: a slow chunk may show lag."""
    parser = EventParser()
    for chunk in chunks:
        yield from parser.feed(chunk)
        yield "", b""

"""Polling: the revocation feed by asking, again and again, for what came after the last sequence number."""

from collections.abc import Callable, Mapping

import msgspec

from keyturn.core.types import Instant
from keyturn.errors import Unavailable
from keyturn.verifier.feed_reader import FeedEntry, FeedReader, SequenceNumber, check_nonce
from keyturn.verifier.fetch import FEED_BYTES, Fetch, fetch_as, request

_MAX_PAGES = 10_000
_MAX_SNAPSHOTS = 2
"""Begun in one poll: the first, and one more when the log moved on meanwhile."""


class _Page(msgspec.Struct):
    entries: list[FeedEntry]
    sequence: SequenceNumber
    complete: bool = True
    log: SequenceNumber = 0
    nonce: str = ""


def poll(
    reader: FeedReader,
    url: str,
    auth_header: Mapping[str, str],
    *,
    send: Fetch,
    now: Callable[[], Instant],
    monotonic: Callable[[], float],
    nonce: Callable[[], str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Read until nothing newer is there, and confirm. ``proof``: the header that says who asks. ``stopped``: whether
    to ask no more, and confirm nothing. ``nonce``: another at every call. Raises ``Unavailable``.

    The confirmation counts from when the last page was *asked*: news may have come while the answer travelled.
    """
    snapshots = 0
    for _ in range(_MAX_PAGES):
        if is_stopped():
            return
        requested_at = monotonic()
        page = _fetch_page(f"{url}?{_query_cursor(reader)}nonce=", nonce(), auth_header, send)
        if _has_gap(page, reader):
            # Entries we never saw were purged, or the log went back in time.
            snapshots = _restart(reader, snapshots)
        elif _apply_page(page, reader):
            reader.mark_complete(requested_at, now())
            return
    raise Unavailable(f"the feed did not end within {_MAX_PAGES} pages")


def _fetch_page(url: str, nonce: str, auth_header: Mapping[str, str], send: Fetch) -> _Page:
    page = fetch_as(_Page, request(url + nonce, auth_header), send, FEED_BYTES)
    check_nonce(page.nonce, nonce)
    return page


def _restart(reader: FeedReader, snapshots: int) -> int:
    reader.reset()
    if snapshots == _MAX_SNAPSHOTS:
        raise Unavailable("the feed has a gap again and again")
    return snapshots + 1


def _apply_page(page: _Page, reader: FeedReader) -> bool:
    """Whether it was the last."""
    if page.entries and page.sequence == reader.sequence:
        raise Unavailable("the feed leads back to itself")
    reader.apply(page.entries, page.log, page.sequence)
    return not page.entries


def _query_cursor(reader: FeedReader) -> str:
    if reader.has_snapshot:
        return f"after={reader.sequence}&"
    return f"seed={reader.sequence}&" if reader.sequence else ""


def _has_gap(page: _Page, reader: FeedReader) -> bool:
    return not page.complete or page.sequence < reader.sequence or not reader.continues(page.log, reader.sequence)

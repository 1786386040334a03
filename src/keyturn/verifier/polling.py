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
    reading: FeedReader,
    url: str,
    proof: Mapping[str, str],
    *,
    send: Fetch,
    now: Callable[[], Instant],
    monotonic: Callable[[], float],
    nonce: Callable[[], str],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Read until nothing newer is there, and confirm. ``proof``: the header that says who asks. ``stopped``: whether
    to ask no more, and confirm nothing. ``nonce``: another at every call. Raises ``Unavailable``.

    The confirmation counts from when the last page was *asked*: news may have come while the answer travelled.
    """
    snapshots = 0
    for _ in range(_MAX_PAGES):
        if stopped():
            return
        asked_at = monotonic()
        page = _ask(f"{url}?{_query_cursor(reading)}nonce=", nonce(), proof, send)
        if _is_broken(page, reading):
            # Entries we never saw were purged, or the log went back in time.
            snapshots = _restart(reading, snapshots)
        elif _apply_page(page, reading):
            reading.mark_complete(asked_at, now())
            return
    raise Unavailable(f"the feed did not end within {_MAX_PAGES} pages")


def _ask(url: str, nonce: str, proof: Mapping[str, str], send: Fetch) -> _Page:
    page = fetch_as(_Page, request(url + nonce, proof), send, FEED_BYTES)
    check_nonce(page.nonce, nonce)
    return page


def _restart(reading: FeedReader, snapshots: int) -> int:
    reading.reset()
    if snapshots == _MAX_SNAPSHOTS:
        raise Unavailable("the feed has a gap again and again")
    return snapshots + 1


def _apply_page(page: _Page, reading: FeedReader) -> bool:
    """Whether it was the last."""
    if page.entries and page.sequence == reading.sequence:
        raise Unavailable("the feed leads back to itself")
    reading.apply(page.entries, page.log, page.sequence)
    return not page.entries


def _query_cursor(reading: FeedReader) -> str:
    if reading.has_snapshot:
        return f"after={reading.sequence}&"
    return f"seed={reading.sequence}&" if reading.sequence else ""


def _is_broken(page: _Page, reading: FeedReader) -> bool:
    return not page.complete or page.sequence < reading.sequence or not reading.continues(page.log, reading.sequence)

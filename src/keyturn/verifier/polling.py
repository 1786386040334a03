"""Polling of the revocation feed: request the entries after the last sequence number, page by page."""

from collections.abc import Callable, Mapping

import msgspec

from keyturn.errors import Unavailable
from keyturn.verifier.feed_reader import FeedEntry, FeedReader, Mark, SequenceNumber, WholeSeconds, check_nonce
from keyturn.verifier.fetch import FEED_BYTES, Fetch, fetch_as, request

_MAX_PAGES = 10_000
_MAX_SNAPSHOTS = 2
"""Snapshots per poll: the first, and one more if the log was purged meanwhile."""


class _Page(msgspec.Struct):
    entries: list[FeedEntry]
    sequence: SequenceNumber
    complete: bool = True
    log: SequenceNumber = 0
    nonce: str = ""
    mark: Mark = ""
    restored: bool = False
    now: WholeSeconds | None = None


def poll(
    reader: FeedReader,
    url: str,
    auth_header: Mapping[str, str],
    *,
    send: Fetch,
    now: Callable[[], float],
    monotonic: Callable[[], float],
    nonce: Callable[[], str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Read pages until the end of the log, then mark ``reader`` complete. Raises ``Unavailable``.

    ``auth_header`` authenticates the request. ``nonce`` returns a new nonce per call. ``is_stopped``: polled before
    each request; True ends the poll without marking anything complete.

    The reader is complete as of the *request* of the last page: revocations may be committed while the response is on
    its way.
    """
    snapshots = 0
    for _ in range(_MAX_PAGES):
        if is_stopped():
            return
        requested_at = monotonic()
        page = _fetch_page(f"{url}?{_query_cursor(reader)}nonce=", nonce(), auth_header, send)
        if _has_gap(page, reader):
            # Unread entries were purged, or the log was replaced by an older one.
            snapshots = _restart(reader, snapshots, is_restored=page.restored)
        elif _apply_page(page, reader):
            reader.mark_complete(requested_at, now(), monotonic(), page.now)
            return
    raise Unavailable(f"the feed did not end within {_MAX_PAGES} pages")


def _fetch_page(url: str, nonce: str, auth_header: Mapping[str, str], send: Fetch) -> _Page:
    page = fetch_as(_Page, request(url + nonce, auth_header), send, FEED_BYTES)
    check_nonce(page.nonce, nonce)
    return page


def _restart(reader: FeedReader, snapshots: int, *, is_restored: bool) -> int:
    reader.reset(is_restored=is_restored)
    if snapshots == _MAX_SNAPSHOTS:
        raise Unavailable(f"the feed still has a gap after {_MAX_SNAPSHOTS} snapshots")
    return snapshots + 1


def _apply_page(page: _Page, reader: FeedReader) -> bool:
    """Merge a page. Return True for the last one."""
    if page.entries and page.sequence == reader.sequence:
        raise Unavailable("the feed returned entries but the same sequence number")
    reader.apply(page.entries, page.log, page.sequence, page.mark)
    return not page.entries


def _query_cursor(reader: FeedReader) -> str:
    mark = f"mark={reader.mark}&" if reader.mark else ""
    if reader.has_snapshot:
        return f"after={reader.sequence}&{mark}"
    return f"seed={reader.sequence}&{mark}" if reader.sequence else ""


def _has_gap(page: _Page, reader: FeedReader) -> bool:
    return not page.complete or page.sequence < reader.sequence or not reader.continues(page.log, reader.sequence)

"""Polling of the revocation feed: request the entries after the last sequence number, page by page."""

from collections.abc import Callable, Mapping

from msgspec import UNSET

from keyturn.core.feed import Action, Event
from keyturn.errors import Unavailable
from keyturn.feed_schema import FeedResponse
from keyturn.verifier.feed_reader import FeedReader, check_nonce
from keyturn.verifier.fetch import FEED_BYTES, Fetch, fetch_as, request

_MAX_PAGES = 10_000
_MAX_SNAPSHOTS = 2
"""Snapshots per poll: the first, and one more if the log was purged meanwhile."""


def poll(
    reader: FeedReader,
    url: str,
    auth_header: Mapping[str, str],
    *,
    send: Fetch,
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
        requested_at = reader.monotonic()
        page = _fetch_page(f"{url}?{_query_cursor(reader)}nonce=", nonce(), auth_header, send)
        action = _receive(reader, page)
        if action is Action.COMPLETE:
            reader.mark_complete(requested_at, None if page.now is UNSET else page.now)
            return
        if action is not Action.APPLY:
            snapshots += 1
            if snapshots > _MAX_SNAPSHOTS:
                raise Unavailable(f"the feed still has a gap after {_MAX_SNAPSHOTS} snapshots")
    raise Unavailable(f"the feed did not end within {_MAX_PAGES} pages")


def _fetch_page(url: str, nonce: str, auth_header: Mapping[str, str], send: Fetch) -> FeedResponse:
    page = fetch_as(FeedResponse, request(url + nonce, auth_header), send, FEED_BYTES)
    check_nonce(page.nonce, nonce)
    return page


def _receive(reader: FeedReader, page: FeedResponse) -> Action:
    progress = reader.progress
    extent = page.extent(progress.cursor.sequence)
    if progress.event(extent) is Event.PAGE and page.sequence == extent.after:
        raise Unavailable("the feed returned entries but the same sequence number")
    return reader.receive(extent, [each.revocation() for each in page.entries], is_restored=page.restored)


def _query_cursor(reader: FeedReader) -> str:
    cursor = reader.cursor
    mark = f"mark={cursor.mark}&" if cursor.mark else ""
    if reader.progress.is_following:
        return f"after={cursor.sequence}&{mark}"
    return f"seed={cursor.sequence}&{mark}" if cursor.sequence else ""

"""Polling: the revocation feed by asking, again and again, for what came after the last sequence number."""

from collections.abc import Callable

import msgspec

from keyturn.core.instant import Instant
from keyturn.errors import Unavailable
from keyturn.verifier.fetch import FEED_BYTES, Fetch, bearer, fetch_as, request
from keyturn.verifier.reading import Line, Reading, Whole

_PAGES = 10_000


class _Page(msgspec.Struct):
    entries: list[Line]
    sequence: Whole
    complete: bool = True
    log: Whole = 0


def poll(
    reading: Reading,
    url: str,
    token: str | None,
    *,
    send: Fetch,
    now: Callable[[], Instant],
    monotonic: Callable[[], float],
) -> None:
    """Read until nothing newer is there, and confirm. Raises ``Unavailable``.

    The confirmation counts from when the last page was *asked*: news may have come while the answer travelled.
    """
    for _ in range(_PAGES):
        asked_at = monotonic()
        page = fetch_as(_Page, request(url + _query(reading), bearer(token)), send, FEED_BYTES)
        if _is_broken(page, reading):
            # Entries we never saw were purged, or the log went back in time.
            reading.begin_again()
            continue
        reading.take(page.entries, page.log, page.sequence)
        if not page.entries:
            reading.complete(asked_at, now())
            return
    raise Unavailable(f"the feed did not end within {_PAGES} pages")


def _query(reading: Reading) -> str:
    if reading.seeded:
        return f"?after={reading.place}"
    return f"?seed={reading.place}" if reading.place else ""


def _is_broken(page: _Page, reading: Reading) -> bool:
    return not page.complete or page.sequence < reading.place or not reading.continues(page.log, reading.place)

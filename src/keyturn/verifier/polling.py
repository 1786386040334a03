"""Polling: the revocation feed by asking, again and again, for what came after the last sequence number."""

from collections.abc import Callable, Mapping

import msgspec

from keyturn.core.instant import Instant
from keyturn.errors import Unavailable
from keyturn.verifier.fetch import FEED_BYTES, Fetch, fetch_as, request
from keyturn.verifier.reading import Line, Place, Reading, require_own

_PAGES = 10_000
_SNAPSHOTS = 2
"""Begun in one poll: the first, and one more when the log moved on meanwhile."""


class _Page(msgspec.Struct):
    entries: list[Line]
    sequence: Place
    complete: bool = True
    log: Place = 0
    nonce: str = ""


def poll(
    reading: Reading,
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
    for _ in range(_PAGES):
        if stopped():
            return
        asked_at = monotonic()
        page = _ask(f"{url}?{_place(reading)}nonce=", nonce(), proof, send)
        if _is_broken(page, reading):
            # Entries we never saw were purged, or the log went back in time.
            snapshots = _again(reading, snapshots)
        elif _take(page, reading):
            reading.complete(asked_at, now())
            return
    raise Unavailable(f"the feed did not end within {_PAGES} pages")


def _ask(url: str, nonce: str, proof: Mapping[str, str], send: Fetch) -> _Page:
    page = fetch_as(_Page, request(url + nonce, proof), send, FEED_BYTES)
    require_own(page.nonce, nonce)
    return page


def _again(reading: Reading, snapshots: int) -> int:
    reading.begin_again()
    if snapshots == _SNAPSHOTS:
        raise Unavailable("the feed has a gap again and again")
    return snapshots + 1


def _take(page: _Page, reading: Reading) -> bool:
    """Whether it was the last."""
    if page.entries and page.sequence == reading.place:
        raise Unavailable("the feed leads back to itself")
    reading.take(page.entries, page.log, page.sequence)
    return not page.entries


def _place(reading: Reading) -> str:
    if reading.seeded:
        return f"after={reading.place}&"
    return f"seed={reading.place}&" if reading.place else ""


def _is_broken(page: _Page, reading: Reading) -> bool:
    return not page.complete or page.sequence < reading.place or not reading.continues(page.log, reading.place)

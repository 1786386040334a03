"""Wire format of the revocation feed: the schemas with which an issuer encodes it, and a verifier decodes it."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from keyturn.core.feed import LogCursor, PageExtent
from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage
from keyturn.core.types import Instant

Seconds = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Whole seconds since 1970-01-01T00:00:00Z.")]
SequenceNumber = Annotated[int, Meta(ge=0, lt=10**18)]
"""Position in a log, at most 18 digits: the issuer accepts it as ``Last-Event-ID`` and ``after``."""

Mark = Annotated[str, Meta(pattern=r"^[0-9a-f.]{0,128}$(?!\n)", extra={"expected": "the mark of the previous page"})]
"""Signed mark of a position: opaque to a reader, and safe in a query string."""


class FeedEntry(Struct, frozen=True):
    """One revocation. The topic page on revocation explains ``value`` for each kind."""

    sequence: SequenceNumber
    kind: RevocationKind  # an unknown kind fails the whole page: the verifier must go stale, never skip an entry
    key: str
    value: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    at: Seconds
    expires_at: Seconds

    def revocation(self) -> Revocation:
        """Convert to a ``Revocation``."""
        return Revocation(self.kind, self.key, self.value, Instant(self.at), Instant(self.expires_at), self.sequence)


class FeedResponse(Struct, frozen=True):
    """Page of the feed: at most 1000 entries in order. Continue after ``sequence`` until a page is empty.

    ``complete``: false if entries after the requested number were purged: take a snapshot.
    ``log``: if it differs from the previous page, the log was rolled back (a restored backup): take a snapshot.
    ``nonce``: that of the request. A response with another nonce comes from a cache and is not current.
    ``mark``: send it with the next request. By it the issuer detects that a log put back from a backup lacks an entry.
    ``restored``: true if the log lacks the entry of the request's mark.
    ``now``: the issuer's time, to which readers compare their own; absent while it is uncertain.
    """

    entries: list[FeedEntry]
    sequence: SequenceNumber
    complete: bool = True
    log: SequenceNumber = 0
    nonce: str = ""
    mark: Mark = ""
    restored: bool = False
    now: Seconds | UnsetType = UNSET

    def extent(self, after: int) -> PageExtent:
        """Return the extent of this response to a request for the entries after ``after``."""
        end = LogCursor(self.log, self.sequence, self.mark)
        return PageExtent(after, end, not self.entries, self.complete)


class OpeningEvent(Struct, frozen=True, rename={"clock_id": "process"}):
    """Data of the first server-sent event of a stream.

    ``clock``: time of the clock ``clock_id`` (``process`` on the wire) when the request arrived, in seconds.
    ``nonce``: that of the request.
    """

    clock_id: str
    clock: float
    heartbeat_seconds: float
    nonce: str = ""


class FeedEvent(
    Struct,
    frozen=True,
    omit_defaults=True,
    rename={"clock_id": "process", "complete_as_of": "stamp", "wall_time": "now"},
):
    """Data of one server-sent event.

    ``complete_as_of`` (``stamp`` on the wire): time of the issuer's clock, in seconds, as of which the reader then
    knows every revocation; omitted if more pages follow.
    ``clock_id`` (``process`` on the wire): random id of that clock.
    ``mark``: signed mark of the position after the event, to send with the next request.
    ``restored``: True if the log lacks the entry of the mark that the reader sent.
    ``wall_time`` (``now`` on the wire): Unix time at ``complete_as_of``, in whole seconds; omitted if uncertain.
    """

    clock_id: str
    log: SequenceNumber
    after: SequenceNumber
    sequence: SequenceNumber
    entries: list[FeedEntry]
    complete_as_of: float | None = None
    mark: Mark = ""
    restored: bool = False
    wall_time: Seconds | None = None

    def extent(self, *, is_snapshot: bool) -> PageExtent:
        """Return the extent of this event."""
        end = LogCursor(self.log, self.sequence, self.mark)
        return PageExtent(self.after, end, self.complete_as_of is not None, is_snapshot=is_snapshot)


class StreamEntry(Struct, frozen=True, array_like=True):
    """Entry of the stream in Redis; its sequence number is its id there."""

    kind: RevocationKind
    key: str
    value: int
    at: int
    expires_at: int

    def revocation(self, sequence: int) -> Revocation:
        """Convert to a ``Revocation``."""
        return Revocation(self.kind, self.key, self.value, Instant(self.at), Instant(self.expires_at), sequence)


def feed_entries(page: RevocationPage) -> list[FeedEntry]:
    """Return the entries of a page in the format of the feed."""
    return [FeedEntry(e.sequence, e.kind, e.key, e.value, e.at, e.expires_at) for e in page.entries]

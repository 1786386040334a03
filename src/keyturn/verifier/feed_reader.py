"""State of a feed reader, shared by all transports: revocations, freshness and position in the log."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Unavailable

WholeSeconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SequenceNumber = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
"""Position in a log, at most 18 digits: the issuer accepts it as ``Last-Event-ID`` and ``after``."""


def check_nonce(response_nonce: str, nonce: str) -> None:
    """Check that a response echoes the ``nonce`` of its request. Raises ``Unavailable``.

    A response replayed by a caching proxy or an attacker would make stale revocations look fresh (replay, CWE-294).
    """
    if response_nonce != nonce:
        raise Unavailable(
            "the feed's response lacks this request's nonce: a caching proxy replayed it; disable caching for the feed"
        )


class FeedEntry(msgspec.Struct):
    """Feed entry in the issuer's JSON format."""

    kind: RevocationKind  # an unknown kind fails the whole page: the verifier must go stale, never skip an entry
    key: str
    value: WholeSeconds
    at: WholeSeconds
    expires_at: WholeSeconds
    sequence: SequenceNumber

    def revocation(self) -> Revocation:
        """Convert to a ``Revocation``."""
        return Revocation(self.kind, self.key, self.value, Instant(self.at), Instant(self.expires_at), self.sequence)


class FeedReader:
    """Reader that merges feed entries. Revocations are never removed early, so no response can revive a revoked token.

    ``log``: id of the log, None until a page names it. ``sequence``: sequence number of the last page read.
    ``has_snapshot``: True once every entry up to ``sequence`` was read; False within a snapshot.
    """

    def __init__(self, bound_seconds: float) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(bound_seconds)
        self.log: int | None = None
        self.sequence = 0
        self.has_snapshot = False

    def continues(self, log: int, after: int) -> bool:
        """Return True if entries after sequence number ``after`` of ``log`` follow the last page without a gap."""
        return after == self.sequence and (log == self.log or (self.log is None and not self.has_snapshot))

    def reset(self) -> None:
        """Record a gap: the reader is stale until it has merged a whole snapshot. Known revocations are kept."""
        self.freshness.invalidate()
        self.log, self.sequence, self.has_snapshot, self.revocations.sequence = None, 0, False, 0

    def apply(self, entries: Iterable[FeedEntry], log: int, sequence: int) -> None:
        """Merge the next entries, up to ``sequence``. Raises ``Unavailable`` for an entry beyond ``sequence``."""
        for entry in entries:
            if entry.sequence > sequence:
                raise Unavailable(
                    f"entry {entry.sequence} of the feed exceeds the page's last sequence number {sequence}"
                )
            self.revocations.apply(entry.revocation())
        self.log, self.sequence = log, sequence

    def mark_complete(self, requested_at: float, now: Instant) -> None:
        """Record that every revocation committed by ``requested_at`` (monotonic seconds) was read.

        Revocations that have expired by ``now`` are removed.
        """
        self.has_snapshot, self.revocations.sequence = True, max(self.sequence, self.revocations.sequence)
        self.revocations.expire(now)
        self.freshness.mark_complete(requested_at)

"""Reading: what a reader of the feed holds and where it stands, whatever carries the feed to it."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Unavailable

WholeSeconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SequenceNumber = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
"""A place in a log: what an issuer takes back as ``Last-Event-ID`` and ``after``, eighteen digits."""


def check_nonce(response_nonce: str, nonce: str) -> None:
    """Raises ``Unavailable`` unless what was ``told`` answers the question with this ``nonce``: whatever a cache, or
    whoever recorded it, gives to another is news of then, not of now (replay, CWE-294)."""
    if response_nonce != nonce:
        raise Unavailable("the feed's answer is not to this question: a cache on the way keeps what it must not keep")


class FeedEntry(msgspec.Struct):
    """One entry, as the issuer writes it."""

    kind: (
        RevocationKind  # a kind this verifier does not know makes the page unreadable: it must go stale, never skip it
    )
    key: str
    value: WholeSeconds
    at: WholeSeconds
    expires_at: WholeSeconds
    sequence: SequenceNumber

    def revocation(self) -> Revocation:
        """The entry."""
        return Revocation(self.kind, self.key, self.value, Instant(self.at), Instant(self.expires_at), self.sequence)


class FeedReader:
    """Everything is merged, nothing is ever reset, so no answer can bring a revoked token back to life.

    ``log``: the number of the log it reads. ``place``: the sequence number it has read up to. ``seeded``: whether it
    holds everything up to there; until then it is within a snapshot.
    """

    def __init__(self, bound_seconds: float) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(bound_seconds)
        self.log: int | None = None
        self.sequence = 0
        self.has_snapshot = False

    def continues(self, log: int, after: int) -> bool:
        """Whether what comes after ``after`` in ``log`` is what comes next here."""
        return after == self.sequence and (log == self.log or (self.log is None and not self.has_snapshot))

    def reset(self) -> None:
        """There is a gap: stale from now on, until a snapshot, merged into what is held, has filled it."""
        self.freshness.invalidate()
        self.log, self.sequence, self.has_snapshot, self.revocations.sequence = None, 0, False, 0

    def apply(self, entries: Iterable[FeedEntry], log: int, sequence: int) -> None:
        """Merge what comes next, up to ``sequence``. Raises ``Unavailable`` for a line from beyond it."""
        for entry in entries:
            if entry.sequence > sequence:
                raise Unavailable(f"entry {entry.sequence} of the feed lies beyond {sequence}, where it says it ends")
            self.revocations.apply(entry.revocation())
        self.log, self.sequence = log, sequence

    def mark_complete(self, asked_at: float, now: Instant) -> None:
        """Everything committed up to ``asked_at`` (monotonic seconds) is held. ``now``: what expired is forgotten."""
        self.has_snapshot, self.revocations.sequence = True, max(self.sequence, self.revocations.sequence)
        self.revocations.expire(now)
        self.freshness.mark_complete(asked_at)

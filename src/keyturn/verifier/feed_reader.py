"""State of a feed reader, shared by all transports: revocations, freshness and position in the log."""

import logging
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from keyturn.core.clocks import ClockBounds, SteadyClock, read_clocks
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Unavailable

WholeSeconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SequenceNumber = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
"""Position in a log, at most 18 digits: the issuer accepts it as ``Last-Event-ID`` and ``after``."""

MAX_GAP_SECONDS = 60
"""Difference between the clocks of reader and issuer above which no revocation is removed, however old."""

PATIENCE_SECONDS = 90_000
"""Longest time for which a revocation is needed, a day, and a margin: so long must a clock that stepped go on."""


Mark = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f.]{0,128}$(?!\n)")]
"""Signed mark of a position: opaque to a reader, and safe in a query string."""

_RESTORED: Final = (
    "the issuer's revocation log was put back from a backup and lacks revocations that this verifier knows; they are "
    "kept here, but the issuer must revoke everything: keyturn revoke all"
)

_logger = logging.getLogger("keyturn.verifier")


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

    ``tolerance_seconds``: difference beyond which its wall clock and the issuer's disagree.
    ``log``: id of the log, None until a page names it. ``sequence``: sequence number of the last page read.
    ``mark``: the issuer's mark of that position, returned to it with the next request; empty if it sent none.
    ``has_snapshot``: True once every entry up to ``sequence`` was read; False within a snapshot.
    ``previous``: log and sequence number before the present snapshot, None without one.
    ``restores``: how often the log was found to lack entries that it had, because it was put back from a backup.
    ``alarm``: says so, until everything is revoked or the log gets another id. Empty otherwise.
    """

    def __init__(self, bound_seconds: float, tolerance_seconds: float = 5) -> None:
        self._tolerance_seconds = tolerance_seconds
        self._steady: SteadyClock | None = None
        self.revocations = RevocationSet()
        self.freshness = Freshness(bound_seconds)
        self.log: int | None = None
        self.sequence = 0
        self.mark = ""
        self.has_snapshot = False
        self.previous: tuple[int | None, int] | None = None
        self.restores = 0
        self.alarm = ""
        self._is_restored = False

    def continues(self, log: int, after: int) -> bool:
        """Return True if entries after sequence number ``after`` of ``log`` follow the last page without a gap."""
        return after == self.sequence and (log == self.log or (self.log is None and not self.has_snapshot))

    def reset(self, *, is_restored: bool = False) -> None:
        """Record a gap: the reader is stale until it has merged a whole snapshot. Known revocations are kept.

        ``is_restored``: True if the issuer says that its log lacks the last entry read.
        """
        self.freshness.invalidate()
        if self.has_snapshot:
            self.previous = self.log, self.sequence
        self._is_restored = self._is_restored or is_restored
        self.log, self.sequence, self.mark, self.has_snapshot, self.revocations.sequence = None, 0, "", False, 0

    def apply(self, entries: Iterable[FeedEntry], log: int, sequence: int, mark: str = "") -> None:
        """Merge the next entries, up to ``sequence``. Raises ``Unavailable`` for an entry beyond ``sequence``."""
        for entry in entries:
            if entry.sequence > sequence:
                raise Unavailable(
                    f"entry {entry.sequence} of the feed exceeds the page's last sequence number {sequence}"
                )
            self.revocations.apply(entry.revocation())
            if entry.kind is RevocationKind.EVERYTHING:
                self.alarm = ""
        self.log, self.sequence, self.mark = log, sequence, mark

    def mark_complete(self, requested_at: float, now: float, received_at: float, issuer_now: int | None = None) -> None:
        """Record that every revocation committed by ``requested_at`` (monotonic seconds) was read.

        ``now``: wall time at ``received_at`` (monotonic seconds). ``issuer_now``: the issuer's, None if unknown.
        Revocations that have expired by both are removed: a wrong clock must not revive a revoked token.
        """
        if not self.has_snapshot:
            self._compare_logs()
        if issuer_now is not None:
            measured = ClockBounds.from_measurement(issuer_now, requested_at, received_at, precision_seconds=1)
            self.freshness.issuer_clock = self.freshness.issuer_clock.update(measured)
        self.has_snapshot, self.revocations.sequence = True, max(self.sequence, self.revocations.sequence)
        self.freshness.compare_clocks(now, received_at, self._tolerance_seconds)
        self._expire(now, received_at)
        self.freshness.mark_complete(requested_at)

    def _expire(self, now: float, received_at: float) -> None:
        """Remove revocations that have expired by the wall clock, the issuer's, and the time that has passed."""
        issuer_clock = self.freshness.issuer_clock
        if self._steady is None:
            self._steady = SteadyClock(now, received_at, PATIENCE_SECONDS)
        shown = received_at + (issuer_clock.low + issuer_clock.high) / 2 if issuer_clock.is_measured else now
        self._steady.follow(shown, received_at, MAX_GAP_SECONDS)
        reading = read_clocks(now, received_at, (issuer_clock, self._steady.bounds), MAX_GAP_SECONDS)
        if not reading.gap_seconds:
            self.revocations.expire(Instant(reading.now - MAX_GAP_SECONDS))

    def _compare_logs(self) -> None:
        """Raise the alarm if the snapshot ends behind the position before it: revocations after the backup are lost."""
        log, sequence = self.previous or (None, 0)
        if self._is_restored or (log == self.log and self.sequence < sequence):
            self.restores += 1
            self.alarm = _RESTORED
            _logger.error(_RESTORED)
        elif log not in (None, self.log):
            self.alarm = ""
            _logger.warning("the issuer's revocation log has a new id: it was restored, or its database failed over")
        self.previous, self._is_restored = None, False

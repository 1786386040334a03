"""State of a feed reader, shared by all transports: revocations, freshness and position in the log."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from keyturn.core.clocks import ClockBounds, SteadyClock, read_clocks
from keyturn.core.feed import LOG_START, Action, LogCursor, PageExtent, Progress, State
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Unavailable

MAX_GAP_SECONDS = 60
"""Difference between the clocks of reader and issuer above which no revocation is removed, however old."""

PATIENCE_SECONDS = 90_000
"""Longest time for which a revocation is needed, a day, and a margin: so long must a clock that stepped go on."""

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


class FeedReader:
    """Reader that merges feed entries. Revocations are never removed early, so no response can revive a revoked token.

    ``now``: wall clock. ``monotonic``: clock of ``freshness``. ``tolerance_seconds``: difference beyond which the wall
    clock and the issuer's disagree. ``notify``: called with each entry after it was merged; it must not block.
    ``progress``: state and position. ``previous``: position before the present snapshot, None without one.
    ``restores``: how often the log was found to lack entries that it had, because it was put back from a backup.
    ``alarm``: says so, until everything is revoked or the log gets another id. Empty otherwise.
    """

    def __init__(
        self,
        bound_seconds: float,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        tolerance_seconds: float = 5,
        notify: Callable[[Revocation], None] = lambda _: None,
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self._tolerance_seconds = tolerance_seconds
        self._notify = notify
        self._steady: SteadyClock | None = None
        self.revocations = RevocationSet()
        self.freshness = Freshness(bound_seconds)
        self.progress = Progress()
        self.previous: LogCursor | None = None
        self.restores = 0
        self.alarm = ""
        self._is_restored = False

    @property
    def cursor(self) -> LogCursor:
        """Position in the log."""
        return self.progress.cursor

    def restart(self, *, is_restored: bool = False) -> None:
        """Discard the position: the reader is stale until it has merged a snapshot. Known revocations are kept.

        ``is_restored``: True if the issuer says that its log lacks the last entry read.
        """
        self.freshness.invalidate()
        if self.progress.is_following:
            self.previous = self.cursor
        self._is_restored = self._is_restored or is_restored
        self.progress, self.revocations.sequence = Progress(State.GAP), 0

    def receive(self, page: PageExtent, entries: Iterable[Revocation], *, is_restored: bool = False) -> Action:
        """Merge a page if it continues the position; restart if the log has a gap there. Return the action taken.

        After ``Action.COMPLETE`` call ``mark_complete``. Raises ``Unavailable`` for an entry beyond the page.
        """
        progress, action = self.progress.advance(page)
        if action is Action.RESTART:
            self.restart(is_restored=is_restored)
        elif action is not Action.RESUME:
            self._merge(entries, page.end.sequence)
            self.progress = progress
        return action

    def receive_next(self, page: PageExtent, entries: Iterable[Revocation]) -> None:
        """Merge the next page of a stream. Raises ``Unavailable`` if it does not continue the position."""
        if self.receive(page, entries) in (Action.RESUME, Action.RESTART):
            raise Unavailable("the stream has a gap: its entries do not follow the last one read")

    def _merge(self, entries: Iterable[Revocation], last: int) -> None:
        for entry in entries:
            if entry.sequence > last:
                raise Unavailable(f"entry {entry.sequence} of the feed exceeds the page's last sequence number {last}")
            self.revocations.apply(entry)
            self._notify(entry)
            if entry.kind is RevocationKind.EVERYTHING:
                self.alarm = ""

    def mark_complete(self, requested_at: float, issuer_now: int | None = None) -> None:
        """Record that every revocation committed by ``requested_at`` (monotonic seconds) was read.

        ``issuer_now``: the issuer's wall time, None if unknown. Revocations that have expired by both wall clocks are
        removed: a wrong clock must not revive a revoked token.
        """
        now, received_at = self.now(), self.monotonic()
        self._compare_logs()
        if issuer_now is not None:
            measured = ClockBounds.from_measurement(issuer_now, requested_at, received_at, precision_seconds=1)
            self.freshness.issuer_clock = self.freshness.issuer_clock.update(measured)
        self.revocations.sequence = max(self.cursor.sequence, self.revocations.sequence)
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
        before, cursor = self.previous or LOG_START, self.cursor
        if self._is_restored or (before.is_in(cursor.log_id) and cursor.sequence < before.sequence):
            self.restores += 1
            self.alarm = _RESTORED
            _logger.error(_RESTORED)
        elif not before.is_in(cursor.log_id):
            self.alarm = ""
            _logger.warning("the issuer's revocation log has a new id: it was restored, or its database failed over")
        self.previous, self._is_restored = None, False

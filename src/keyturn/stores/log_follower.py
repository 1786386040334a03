"""Feeds within a process: copy the entries of a revocation log to a sink."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any, Protocol

from keyturn import entropy
from keyturn.core.backoff import backoff_seconds
from keyturn.core.feed import Action, PageExtent, Progress
from keyturn.core.log_mark import LogMark
from keyturn.core.revocation import RevocationPage
from keyturn.core.types import Instant
from keyturn.ports import RevocationLog
from keyturn.stores.memory import MemoryStore
from keyturn.stores.revocation_sink import RevocationSink

_POLL_SECONDS = 0.005
"""Interval between two polls of a log without a change notifier."""

EXPIRE_EVERY_SECONDS = 30.0
_PAGE = 1000

_logger = logging.getLogger("keyturn.feed")

RESTORED_MESSAGE = (
    "the database was put back from a backup and may lack acknowledged revocations: credentials issued before it get "
    "503 store_restored until you run `keyturn revoke all`, or `keyturn db confirm-restored` if you know that no "
    "session was ended after the backup"
)


class ChangeNotifier(Protocol):
    """Cheap check for new commits.

    ``interval_seconds``: longest pause between two polls, and so the longest delay of a revocation if a notification is
    lost.
    """

    @property
    def interval_seconds(self) -> float: ...

    def change_token(self) -> object:
        """Return a token that differs from the last one if anything was committed since; it may differ without."""
        ...

    def wait(self, seconds: float, stop: Event) -> None:
        """Wait until something may have been committed or ``stop`` is set, ``seconds`` at most."""
        ...

    def close(self) -> None:
        """Close the notifier's connection."""
        ...


class LogFollower:
    """Reader that follows a ``RevocationLog`` and applies its entries to a sink.

    The sink is complete as of the *request* of a page, not its arrival. While the log cannot be read, the sink is not
    marked complete and goes stale.

    ``now``: wall clock of the entries, used to expire them. ``monotonic``: monotonic clock of the sink. ``jitter``:
    uniform in [0, 1). ``save_mark``: called with the position after each poll, to keep it outside the database.
    """

    def __init__(
        self,
        log: RevocationLog,
        sink: RevocationSink,
        *,
        notifier: ChangeNotifier | None = None,
        now: Callable[[], Instant] = lambda: Instant(int(time.time())),
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = entropy.jitter,
        save_mark: Callable[[LogMark], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._sink = sink
        self._notifier = notifier
        self._now = now
        self._monotonic = monotonic
        self._jitter = jitter
        self._save_mark = save_mark
        self._progress = Progress()
        self._mark: LogMark | None = None
        self._change_token: object = None
        self._expired_at = float("-inf")
        self._failures = 0

    def poll_once(self, requested_at: float) -> int:
        """Apply the new entries and return their number.

        Raises the log's errors; the sink is not marked complete then.
        """
        # Read the token before the entries: a commit in between changes it again and is read by the next poll.
        token = self._notifier.change_token() if self._notifier is not None else None
        count = 0
        if token is None or token != self._change_token:
            count = self._read_pages()
            self._change_token = token
        self._sink.mark_complete(requested_at)
        if self._mark is not None:
            # The entry was read from the store, so its commit is durable: a crash never leaves a mark of a lost entry.
            self._save_mark(self._mark)
        if requested_at - self._expired_at >= EXPIRE_EVERY_SECONDS:
            self._sink.expire(self._now())
            self._expired_at = requested_at
        return count

    def run_thread(self, stop: Event, *, interval_seconds: float | None = None) -> None:
        """Follow the log until ``stop`` is set; run this in a thread.

        ``interval_seconds``: pause between polls. Default: the notifier's.
        """
        while not stop.is_set():
            try:
                self.poll_once(self._monotonic())
            except Exception as error:  # the next poll may succeed; the staleness bound holds until then
                stop.wait(self._record_failure(error))
            else:
                self._wait(self._record_success(interval_seconds), stop)

    def close(self) -> None:
        """Close the notifier."""
        if self._notifier is not None:
            self._notifier.close()

    def _read_pages(self) -> int:
        count = 0
        while True:
            page, extent = self._read_page()
            progress, action = self._progress.advance(extent)
            if action is not Action.RESTART:
                self._apply(page)
                count += len(page.entries)
            self._progress = progress
            if action is Action.COMPLETE:
                return count

    def _apply(self, page: RevocationPage) -> None:
        if self._progress.is_following:
            for entry in page.entries:
                self._sink.apply(entry)
        else:
            self._sink.reset(page)
        self._mark = page.end

    def _read_page(self) -> tuple[RevocationPage, PageExtent]:
        if not self._progress.is_following:
            page = self._log.snapshot()
            return page, page.extent(0, is_last=True)
        after = self._progress.cursor.sequence
        page = self._log.after(after, _PAGE)
        # The log may have grown beyond our position again: the same sequence numbers then name other entries.
        if self._mark is not None and page.start is not None and self._mark.is_contradicted_by(page.start):
            self._log.mark_restored(self._mark, self._now())
            _logger.error(RESTORED_MESSAGE)
            page = replace(page, complete=False)
        return page, page.extent(after, is_last=len(page.entries) < _PAGE)

    def _record_failure(self, error: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            _logger.warning("the revocation feed cannot be read: %s", type(error).__name__)
        return backoff_seconds(self._failures, 0.05, 1.0, self._jitter())

    def _wait(self, seconds: float, stop: Event) -> None:
        if self._notifier is None:
            stop.wait(seconds)
            return
        try:
            self._notifier.wait(seconds, stop)
        except Exception:  # without the notifier, entries are only late; the next poll reports an outage of the log
            stop.wait(seconds)

    def _record_success(self, interval_seconds: float | None) -> float:
        if self._failures:
            _logger.warning("the revocation feed can be read again, after %d failed attempts", self._failures)
        self._failures = 0
        if interval_seconds is not None:
            return interval_seconds
        return _POLL_SECONDS if self._notifier is None else self._notifier.interval_seconds


class InProcessFeed:
    """Feed of a memory store: each entry is applied within the call that appends it, so nothing has to run."""

    def __init__(self, store: MemoryStore, sink: RevocationSink) -> None:
        self._stop = store.subscribe(sink)

    def run_thread(self, stop: Event, *, interval_seconds: float | None = None) -> None:
        """Wait for ``stop``."""
        stop.wait()

    def close(self) -> None:
        """Stop applying entries to the sink."""
        self._stop()


def connect_feed(
    store: Any,
    sink: RevocationSink,
    *,
    now: Callable[[], Instant] = lambda: Instant(int(time.time())),
    monotonic: Callable[[], float] = time.monotonic,
    save_mark: Callable[[LogMark], None] = lambda _: None,
) -> LogFollower | InProcessFeed:
    """Return the fastest feed of the sync ``store``. The caller runs or polls it, and closes it.

    ``save_mark``: as for ``LogFollower``.
    """
    if isinstance(store, MemoryStore):
        return InProcessFeed(store, sink)
    return LogFollower(store.log, sink, notifier=store.watch(), now=now, monotonic=monotonic, save_mark=save_mark)

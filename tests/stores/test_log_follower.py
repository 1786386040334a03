import logging
from threading import Event
from typing import Any

import pytest

from keyturn.core.revocation import RevocationPage
from keyturn.errors import StoreUnavailable
from keyturn.stores.log_follower import EXPIRE_EVERY_SECONDS, LogFollower
from keyturn.stores.memory import MemoryStore
from keyturn.stores.sql.store import SqlStore
from stores.recording_sink import NOW, RecordingSink, mark


def test_it_starts_from_a_snapshot_and_goes_on(store: SqlStore, follower: LogFollower, sink: RecordingSink) -> None:
    first = mark(store)
    assert follower.poll_once(1.0) == 1
    assert sink.resets == [RevocationPage((first,), 1)]
    second = mark(store)
    assert follower.poll_once(2.0) == 1
    assert sink.entries == [second]
    assert follower.poll_once(3.0) == 0
    assert sink.confirmed == [1.0, 2.0, 3.0]


def test_a_plain_log_without_a_watch_is_followed_too(sink: RecordingSink) -> None:
    store = MemoryStore()
    follower = LogFollower(store.log, sink)
    assert [follower.poll_once(1.0), follower.poll_once(2.0)] == [0, 0]
    entries = [mark(store) for _ in range(2500)]
    assert follower.poll_once(3.0) == 2500
    assert sink.entries == entries
    follower.close()


def test_a_gap_is_closed_by_a_snapshot(store: SqlStore, follower: LogFollower, sink: RecordingSink) -> None:
    follower.poll_once(1.0)
    kept = mark(store)
    mark(store, expires_at=NOW)
    store.sessions.purge(NOW)
    assert follower.poll_once(2.0) == 1
    assert sink.entries == []
    assert sink.resets[1:] == [RevocationPage((kept,), 2)]
    assert sink.confirmed == [1.0, 2.0]


def test_an_older_log_is_read_from_its_start(sink: RecordingSink) -> None:
    newer, older = MemoryStore(), MemoryStore()
    for _ in range(3):
        mark(newer)
    entry = mark(older)
    follower = LogFollower(newer.log, sink)
    follower.poll_once(1.0)
    follower._log = older.log
    follower.poll_once(2.0)
    assert sink.resets[-1] == RevocationPage((entry,), 1)


def test_another_log_is_read_from_its_start_though_sequences_continue(sink: RecordingSink) -> None:
    lost, other = MemoryStore(), MemoryStore()
    mark(lost)
    follower = LogFollower(lost.log, sink)
    follower.poll_once(1.0)
    # A failover lost entry 1 and gave its number, and the next, to others.
    entries = (mark(other), mark(other))
    follower._log = other.log
    follower.poll_once(2.0)
    assert sink.resets[-1] == RevocationPage(entries, 2)


def test_commits_of_the_same_process_are_noticed(store: SqlStore, follower: LogFollower, sink: RecordingSink) -> None:
    # PRAGMA data_version does not see its own connection's commits; the watch therefore has one that never writes.
    follower.poll_once(1.0)
    for n in range(5):
        entry = mark(store)
        follower.poll_once(float(n))
        assert sink.entries[-1] == entry


def test_commits_of_another_store_are_noticed(url: str, follower: LogFollower, sink: RecordingSink) -> None:
    follower.poll_once(1.0)
    other = SqlStore(url)
    entry = mark(other)
    other.close()
    follower.poll_once(2.0)
    assert sink.entries == [entry]


def test_a_quiet_log_is_not_even_read(store: SqlStore, sink: RecordingSink) -> None:
    follower = LogFollower(store.log, sink, notifier=store.watch())
    follower.poll_once(1.0)
    follower._log = None
    follower.poll_once(2.0)
    assert sink.confirmed == [1.0, 2.0]
    follower.close()


def test_a_change_is_read_again_after_a_failed_read(store: SqlStore, sink: RecordingSink) -> None:
    follower = LogFollower(store.log, sink, notifier=store.watch())
    follower.poll_once(1.0)
    entry = mark(store)
    follower._log = None
    with pytest.raises(AttributeError):
        follower.poll_once(2.0)
    follower._log = store.log
    follower.poll_once(3.0)
    assert sink.entries == [entry]
    assert sink.confirmed == [1.0, 3.0]
    follower.close()


def test_old_entries_are_expired_now_and_then(follower: LogFollower, sink: RecordingSink) -> None:
    for asked_at in (0.0, 1.0, EXPIRE_EVERY_SECONDS, EXPIRE_EVERY_SECONDS + 1):
        follower.poll_once(asked_at)
    assert sink.expired == [NOW, NOW]


class FailingLog:
    """A log that is away for a while."""

    def __init__(self, log: Any, failures: int) -> None:
        self._log = log
        self.failures = failures

    def snapshot(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        return self._log.snapshot()

    def sequence(self) -> Any:
        return self._log.sequence()


def test_failed_polls_do_not_mark_complete_and_back_off(sink: RecordingSink, caplog: pytest.LogCaptureFixture) -> None:
    stop = Event()
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if sink.confirmed:
            stop.set()
        return True

    follower = LogFollower(FailingLog(MemoryStore().log, 7), sink, jitter=lambda: 1.0)
    stopping = Event()
    stopping.is_set, stopping.wait = stop.is_set, wait  # type: ignore[assignment,method-assign]
    with caplog.at_level(logging.WARNING):
        follower.run_thread(stopping, interval_seconds=0.01)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 0.01]
    assert len(sink.confirmed) == 1
    assert [record.message for record in caplog.records] == [
        "the revocation feed cannot be read: StoreUnavailable",
        "the revocation feed can be read again, after 7 failed attempts",
    ]


def test_pauses_are_spread(sink: RecordingSink) -> None:
    follower = LogFollower(None, sink, jitter=lambda: 0.0)
    assert follower._record_failure(StoreUnavailable()) == 0.025

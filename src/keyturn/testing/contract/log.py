"""Contract for the revocation log."""

import time
from dataclasses import replace

from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage
from keyturn.core.session import ClientInfo
from keyturn.core.types import EPOCH, Instant, Subject
from keyturn.testing.contract.records import (
    LATER,
    NOW,
    STRANGE_TEXTS,
    Store,
    new_increment,
    new_name,
    new_session,
    session_revocation,
)


def _append(store: Store, expires_at: Instant = LATER) -> Revocation:
    """Append one entry for an unknown client."""
    return store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, new_name(), NOW, NOW, expires_at))


class LogContract:
    """Tests of sequence numbers, pages and the low-water mark."""

    def test_an_empty_log_is_complete(self, store: Store) -> None:
        assert store.log.sequence() == 0
        assert store.log.after(0, 10) == RevocationPage((), 0)
        assert store.log.snapshot() == RevocationPage((), 0)

    def test_the_clock_is_unix_time_or_none(self, store: Store) -> None:
        before = time.time()
        shown = store.log.clock()
        # A server of its own may have another clock; those of one test machine agree.
        assert shown is None or before - 1 <= shown <= time.time() + 1

    def test_last_use_returns_the_latest_use_of_all_sessions_or_of_a_client(self, store: Store) -> None:
        assert store.sessions.last_use(None) == store.sessions.last_use("web") == EPOCH
        old, new = new_session(), new_session()
        store.sessions.insert(replace(old, client=ClientInfo("web"), last_seen_at=Instant(NOW - 60)))
        store.sessions.insert(replace(new, client=ClientInfo("ios"), last_seen_at=NOW))
        assert store.sessions.last_use(None) in (NOW, EPOCH)
        assert store.sessions.last_use("web") in (NOW - 60, EPOCH)
        assert store.sessions.last_use("tv") == EPOCH

    def test_every_kind_of_revocation_is_logged_in_order(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        sequence = store.sessions.replace(replace(session, ended_at=NOW, version=1), session_revocation(session))
        assert sequence == 1
        void = store.sessions.increment_generation(new_increment(session.subject))
        client = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", NOW, NOW, LATER))
        everything = store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        entries = (Revocation(RevocationKind.SESSION, session.sid, ENDED, NOW, LATER, 1), void, client, everything)
        assert [each.sequence for each in entries] == [1, 2, 3, 4]
        assert store.log.after(0, 10) == store.log.snapshot() == RevocationPage(entries, 4)
        assert store.log.sequence() == 4

    def test_a_lost_session_swap_appends_no_entry(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        lost = replace(session, ended_at=NOW, version=2)
        assert store.sessions.replace(lost, session_revocation(session)) is None
        assert store.log.snapshot() == RevocationPage((), 0)
        # The sequence number is not consumed either: a follower would wait for it.
        assert _append(store).sequence == 1

    def test_a_swap_without_an_entry_appends_none(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        assert store.sessions.replace(replace(session, version=1)) == 0
        assert store.log.sequence() == 0

    def test_pages_are_contiguous(self, store: Store) -> None:
        entries = [_append(store) for _ in range(5)]
        assert store.log.after(0, 2) == RevocationPage(tuple(entries[:2]), 2)
        assert store.log.after(2, 2) == RevocationPage(tuple(entries[2:4]), 4)
        assert store.log.after(4, 2) == RevocationPage(tuple(entries[4:]), 5)
        assert store.log.after(5, 2) == RevocationPage((), 5)

    def test_a_purge_makes_earlier_pages_incomplete(self, store: Store) -> None:
        entries = [_append(store, Instant(NOW + n)) for n in (9, 0, 5)]
        store.sessions.purge(NOW)
        assert store.log.snapshot() == RevocationPage((entries[0], entries[2]), 3)
        assert store.log.after(0, 10).complete is False
        assert store.log.after(1, 10).complete is False
        assert store.log.after(2, 10) == RevocationPage((entries[2],), 3)
        assert store.log.after(3, 10) == RevocationPage((), 3)

    def test_purged_sequence_numbers_are_not_reused(self, store: Store) -> None:
        for _ in range(3):
            _append(store, NOW)
        store.sessions.purge(NOW)
        assert store.log.sequence() == 3
        assert store.log.snapshot() == RevocationPage((), 3)
        assert _append(store).sequence == 4

    def test_a_second_purge_does_not_lower_the_low_water_mark(self, store: Store) -> None:
        _append(store, Instant(NOW + 5))
        _append(store, NOW)
        store.sessions.purge(NOW)
        store.sessions.purge(Instant(NOW + 5))
        assert store.log.after(1, 10).complete is False

    def test_a_page_after_an_unissued_sequence_number_is_incomplete(self, store: Store) -> None:
        _append(store)
        # The log was restored from an older backup: continuing after 7 would skip entries.
        assert store.log.after(7, 10).complete is False

    def test_purge_deletes_more_entries_than_one_batch(self, store: Store) -> None:
        for _ in range(1050):
            store.sessions.increment_generation(replace(new_increment(Subject(new_name())), expires_at=NOW))
        last = _append(store)
        store.sessions.purge(NOW)
        assert store.log.snapshot() == RevocationPage((last,), last.sequence)

    def test_unusual_text_in_an_entry_is_stored_unchanged(self, store: Store) -> None:
        for text in STRANGE_TEXTS:
            store.sessions.increment_generation(new_increment(Subject(text)))
        assert [each.key for each in store.log.snapshot().entries] == list(STRANGE_TEXTS)

"""Contract for login throttles, signing keys and security events."""

from dataclasses import replace

import pytest

from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.errors import BadRequest
from keyturn.ports import StoredKey
from keyturn.testing.contract.records import NOW, STRANGE_TEXTS, UNSTORABLE_TEXTS, Store, new_name


def new_key(serial: int, **changes: object) -> StoredKey:
    """Return an encrypted key."""
    return replace(StoredKey(new_name(), "RS256", serial, NOW, bytes(range(256)) * 8), **changes)  # type: ignore[arg-type]


class ThrottleKeyAuditContract:
    """Tests of buckets, keys and events."""

    def test_version_one_inserts_a_bucket(self, store: Store) -> None:
        bucket = Bucket(new_name(), 40, NOW, 1)
        assert store.throttles.load(bucket.key) is None
        assert store.throttles.replace(bucket) is True
        assert store.throttles.load(bucket.key) == bucket
        assert store.throttles.replace(bucket) is False

    def test_the_next_version_replaces_a_bucket(self, store: Store) -> None:
        bucket = Bucket(new_name(), 40, NOW, 1)
        store.throttles.replace(bucket)
        following = Bucket(bucket.key, 80, Instant(NOW + 1), 2)
        assert store.throttles.replace(replace(following, version=3)) is False
        assert store.throttles.replace(following) is True
        assert store.throttles.replace(following) is False
        assert store.throttles.load(bucket.key) == following

    def test_replacing_a_missing_bucket_is_refused(self, store: Store) -> None:
        assert store.throttles.replace(Bucket(new_name(), 40, NOW, 2)) is False

    def test_empty_buckets_are_purged(self, store: Store) -> None:
        buckets = [Bucket(new_name(), level, Instant(NOW - 10), 1) for level in (0, 10, 11)]
        for bucket in buckets:
            store.throttles.replace(bucket)
        assert store.throttles.purge(NOW) == 2
        assert [store.throttles.load(each.key) for each in buckets] == [None, None, buckets[2]]

    def test_unusual_bucket_keys_are_distinct(self, store: Store) -> None:
        for level, text in enumerate(STRANGE_TEXTS):
            assert store.throttles.replace(Bucket(text, level, NOW, 1)) is True
        for level, text in enumerate(STRANGE_TEXTS):
            assert store.throttles.load(text) == Bucket(text, level, NOW, 1)

    def test_keys_are_listed_by_serial(self, store: Store) -> None:
        keys = [new_key(serial) for serial in (3, 1, 2)]
        assert [store.keys.insert(key) for key in keys] == [True, True, True]
        assert list(store.keys.list()) == sorted(keys, key=lambda key: key.serial)

    def test_a_duplicate_serial_or_kid_is_refused(self, store: Store) -> None:
        key = new_key(1)
        assert store.keys.insert(key) is True
        assert store.keys.insert(new_key(1)) is False
        assert store.keys.insert(replace(key, serial=2)) is False
        assert list(store.keys.list()) == [key]

    def test_a_key_is_deleted_by_kid(self, store: Store) -> None:
        first, second = new_key(1), new_key(2)
        store.keys.insert(first)
        store.keys.insert(second)
        store.keys.delete(first.kid)
        store.keys.delete(new_name())
        assert list(store.keys.list()) == [second]

    def test_events_are_read_newest_first(self, store: Store) -> None:
        subject = Subject(new_name())
        events = [AuditEvent(event, NOW, subject, "sid", "192.0.2.7", f"number {event}") for event in AuditEventType]
        for event in events:
            store.audit.append(event)
            store.audit.append(AuditEvent(AuditEventType.LOGIN, NOW, new_name()))
        assert list(store.audit.recent(subject, 100)) == events[::-1]
        assert list(store.audit.recent(subject, 2)) == [events[-1], events[-2]]
        assert list(store.audit.recent(Subject(new_name()), 2)) == []

    def test_old_events_are_purged(self, store: Store) -> None:
        subject = Subject(new_name())
        # Out of order: clocks differ, and an event with a future time must not protect later ones from the purge.
        for at in (NOW + 1, NOW - 1, NOW, NOW - 1000):
            store.audit.append(AuditEvent(AuditEventType.LOGIN, Instant(at), subject))
        store.audit.append(AuditEvent(AuditEventType.LOGIN_FAILED, Instant(NOW - 1)))
        assert store.audit.purge(NOW) == 3
        assert [each.at for each in store.audit.recent(subject, 9)] == [NOW, NOW + 1]
        assert store.audit.purge(NOW) == 0

    def test_purge_deletes_more_events_than_one_batch(self, store: Store) -> None:
        for _ in range(450):
            store.audit.append(AuditEvent(AuditEventType.LOGIN_FAILED, NOW))
        assert store.audit.purge(Instant(NOW + 1)) == 450

    def test_unusual_text_in_an_event_is_stored_unchanged(self, store: Store) -> None:
        for text in STRANGE_TEXTS:
            event = AuditEvent(AuditEventType.LOGIN_FAILED, NOW, text, text, text, text)
            store.audit.append(event)
            assert list(store.audit.recent(Subject(text), 1)) == [event]

    def test_unstorable_text_in_an_event_or_bucket_is_refused(self, store: Store) -> None:
        for text in UNSTORABLE_TEXTS:
            with pytest.raises(BadRequest):
                store.audit.append(AuditEvent(AuditEventType.LOGIN_FAILED, NOW, detail=text))
            with pytest.raises(BadRequest):
                store.throttles.replace(Bucket(text, 1, NOW, 1))

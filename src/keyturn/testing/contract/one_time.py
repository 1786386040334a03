"""Contract for one-time values."""

import secrets
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from keyturn.core.one_time import MAX_PAYLOAD_BYTES, InsertOutcome, OneTimeKind, OneTimeLimits, OneTimeValue
from keyturn.core.types import EPOCH, Instant, Subject
from keyturn.errors import BadRequest
from keyturn.testing.contract.records import LATER, NOW, UNSTORABLE_TEXTS, Store, new_name, new_sid, run_in_threads

ROOMY = OneTimeLimits(3600, 1000, 1000)
_THREADS = 8
BIGGER_THAN_A_BATCH = 450


def new_value(kind: OneTimeKind = OneTimeKind.CODE, **changes: Any) -> OneTimeValue:
    """Return a live value of a new subject."""
    value = OneTimeValue(kind, secrets.token_bytes(32), new_name(), NOW, LATER, b"for client \0\xff")
    return replace(value, **changes)


def spend_value(value: OneTimeValue) -> OneTimeValue:
    """Return the mark of a value that was exchanged for a new session."""
    return replace(value, uses=1, made=new_sid(Subject(value.subject)))


def put(store: Store, *values: OneTimeValue, limits: OneTimeLimits = ROOMY) -> list[InsertOutcome]:
    """Insert values."""
    return [store.one_time.insert(each, limits, NOW).outcome for each in values]


class OneTimeContract:
    """Tests of one-time values, races included."""

    def test_an_inserted_value_is_loaded_unchanged(self, store: Store) -> None:
        for payload in (b"", bytes(range(256)), b"\0" * MAX_PAYLOAD_BYTES):
            for kind in OneTimeKind:
                value = new_value(kind, payload=payload)
                assert store.one_time.load(kind, value.digest) is None
                assert put(store, value) == [InsertOutcome.STORED]
                assert store.one_time.load(kind, value.digest) == value

    def test_unusual_names_of_one_time_values_are_stored_unchanged(self, store: Store) -> None:
        for subject in ("", " ", "' OR '1'='1'; --", "\u202e \U0001f511", "line\nbreak\x01", "x" * 255):
            value = new_value(subject=subject, created_at=Instant(-5), expires_at=Instant(2**62))
            assert put(store, value) == [InsertOutcome.STORED]
            assert store.one_time.load(value.kind, value.digest) == value

    def test_an_unstorable_one_time_value_is_refused(self, store: Store) -> None:
        for text in UNSTORABLE_TEXTS:
            with pytest.raises(BadRequest):
                put(store, new_value(subject=text))
        with pytest.raises(BadRequest):
            put(store, new_value(expires_at=Instant(2**63)))

    def test_a_second_insertion_of_a_digest_is_refused(self, store: Store) -> None:
        value = new_value()
        assert put(store, value, replace(value, payload=b"other")) == [InsertOutcome.STORED, InsertOutcome.EXISTS]
        mark = spend_value(value)
        assert store.one_time.replace(mark) is True
        assert put(store, value) == [InsertOutcome.EXISTS]
        assert store.one_time.load(value.kind, value.digest) == mark

    def test_kinds_with_one_digest_are_distinct_values(self, store: Store) -> None:
        values = [new_value(kind, digest=b"d" * 32, subject="ada") for kind in OneTimeKind]
        assert set(put(store, *values, limits=OneTimeLimits(60, 1, 1))) == {InsertOutcome.STORED}
        assert store.one_time.replace(spend_value(values[0])) is True
        assert [store.one_time.load(each.kind, each.digest) for each in values[1:]] == values[1:]

    def test_a_value_is_swapped_once_per_use(self, store: Store) -> None:
        value = new_value()
        assert store.one_time.replace(spend_value(value)) is False
        put(store, value)
        mark, other = spend_value(value), spend_value(value)
        replayed = replace(mark, uses=2)
        assert store.one_time.replace(replayed) is False
        assert [store.one_time.replace(each) for each in (mark, other, mark)] == [True, False, False]
        assert store.one_time.load(value.kind, value.digest) == mark
        assert [store.one_time.replace(each) for each in (replayed, replayed)] == [True, False]
        assert store.one_time.load(value.kind, value.digest) == replayed

    def test_a_full_subject_refuses_new_values_and_loses_none(self, store: Store) -> None:
        limits = OneTimeLimits(3600, 2, 1000)
        first, second, third = (new_value(subject="ada") for _ in range(3))
        stored, full = InsertOutcome.STORED, InsertOutcome.SUBJECT_FULL
        assert put(store, first, second, third, limits=limits) == [stored, stored, full]
        store.one_time.replace(mark := spend_value(first))
        assert put(store, third, first, limits=limits) == [full, InsertOutcome.EXISTS]
        assert put(store, new_value(), limits=limits) == [stored]
        assert [store.one_time.load(each.kind, each.digest) for each in (first, second, third)] == [mark, second, None]

    def test_a_full_store_refuses_new_values_until_a_purge(self, store: Store) -> None:
        limits = OneTimeLimits(3600, 1000, 2)
        old, kept, new = new_value(expires_at=NOW), new_value(), new_value()
        stored, full = InsertOutcome.STORED, InsertOutcome.FULL
        assert put(store, old, kept, new, kept, limits=limits) == [stored, stored, full, InsertOutcome.EXISTS]
        assert put(store, new_value(OneTimeKind.LINK), limits=limits) == [stored]
        assert store.one_time.purge(NOW) == 1
        assert put(store, new, old, limits=limits) == [stored, full]
        assert store.one_time.load(kept.kind, kept.digest) == kept

    def test_expired_one_time_values_are_purged(self, store: Store) -> None:
        values = [new_value(expires_at=Instant(NOW + seconds)) for seconds in (-1, 0, 1, -1, 1)]
        put(store, *values)
        marks = [spend_value(each) for each in values[3:]]
        assert [store.one_time.replace(each) for each in marks] == [True, True]
        assert store.one_time.purge(NOW) == 3
        kept = [store.one_time.load(each.kind, each.digest) for each in values]
        assert kept == [None, None, values[2], None, marks[1]]
        assert store.one_time.purge(NOW) == 0

    def test_a_purge_makes_room_for_the_subject(self, store: Store) -> None:
        limits = OneTimeLimits(3600, 1, 1000)
        assert put(store, new_value(subject="ada", expires_at=NOW), limits=limits) == [InsertOutcome.STORED]
        assert store.one_time.purge(NOW) == 1
        new = new_value(subject="ada")
        assert put(store, new, new_value(subject="ada"), limits=limits)[1] is InsertOutcome.SUBJECT_FULL
        assert store.one_time.load(new.kind, new.digest) == new

    def test_purge_deletes_more_one_time_values_than_one_batch(self, store: Store) -> None:
        for _ in range(BIGGER_THAN_A_BATCH):
            put(store, new_value(OneTimeKind.PROOF, expires_at=NOW))
        kept = new_value(OneTimeKind.PROOF)
        put(store, kept)
        assert store.one_time.purge(NOW) == BIGGER_THAN_A_BATCH
        assert store.one_time.load(kept.kind, kept.digest) == kept

    def test_values_are_complete_since_no_later_than_the_first_insertion(self, store: Store) -> None:
        first = store.one_time.insert(new_value(), ROOMY, NOW).complete_since
        assert first in (EPOCH, NOW)
        assert store.one_time.insert(new_value(), ROOMY, LATER).complete_since == first

    def test_one_of_racing_takes_wins(self, store: Store) -> None:
        for _ in range(10):
            value = new_value()
            put(store, value)
            rivals = [spend_value(value) for _ in range(_THREADS)]
            won = run_in_threads([partial(_take, store, rival) for rival in rivals])
            winners = [mark for mark, is_winner in won if is_winner]
            assert winners == [store.one_time.load(value.kind, value.digest)]

    def test_one_of_racing_insertions_of_one_value_wins(self, store: Store) -> None:
        for _ in range(5):
            value = new_value(OneTimeKind.PROOF)
            outcomes = run_in_threads([partial(put, store, value) for _ in range(_THREADS)])
            assert Counter(each for (each,) in outcomes) == {
                InsertOutcome.STORED: 1,
                InsertOutcome.EXISTS: _THREADS - 1,
            }

    def test_racing_insertions_stay_within_both_limits(self, store: Store) -> None:
        for limits, full in (
            (OneTimeLimits(3600, 3, 1000), InsertOutcome.SUBJECT_FULL),
            (OneTimeLimits(3600, 1000, 6), InsertOutcome.FULL),
        ):
            rivals = [new_value(subject=str(limits.total)) for _ in range(_THREADS)]
            outcomes = run_in_threads([partial(put, store, rival, limits=limits) for rival in rivals])
            assert Counter(each for (each,) in outcomes) == {InsertOutcome.STORED: 3, full: _THREADS - 3}


def _take(store: Store, mark: OneTimeValue) -> tuple[OneTimeValue, bool]:
    return mark, store.one_time.replace(mark)

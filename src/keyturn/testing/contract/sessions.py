"""Contract for sessions."""

from contextlib import suppress
from dataclasses import replace

import pytest

from keyturn.core.session import ClientInfo, LoadedSession, Repeats, RevocationFloor, Seed
from keyturn.core.session_id import decode_session_id, encode_session_id, new_session_id, partition_of
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import BadRequest
from keyturn.ports import MAX_LISTED
from keyturn.testing.contract.records import (
    LATER,
    NOW,
    STRANGE_TEXTS,
    UNSTORABLE_NUMBERS,
    UNSTORABLE_TEXTS,
    Store,
    new_increment,
    new_name,
    new_session,
    new_subject_in_partition,
    session_revocation,
)


class SessionContract:
    """Tests of insert, load, replace, wait_durable, list and purge."""

    def test_a_stored_session_is_loaded_unchanged(self, store: Store) -> None:
        session = new_session(
            amr=("pwd", "otp"),
            scope="read write",
            claims={"role": "editor", "tags": ["a", 1, None, True, 1.5], "deep": {"er": {}}},
            renewals=3,
            rotations=2**40,
            rotated_at=Instant(NOW + 5),
            generation=0,
            version=7,
            repeats=Repeats(unseen_rotation=2**40, late_answers=1, rotation=5, in_a_row=2),
        )
        store.sessions.insert(session)
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_a_loaded_seed_is_masked(self, store: Store) -> None:
        session = new_session(seed=Seed(bytes(range(256))))
        store.sessions.insert(session)
        loaded = store.sessions.load(session.sid)
        assert loaded is not None
        assert type(loaded.session.seed) is Seed
        assert repr(loaded.session.seed) == "Seed(***)"

    def test_an_unknown_sid_loads_as_none(self, store: Store) -> None:
        assert store.sessions.load(SessionId(new_name())) is None

    def test_a_duplicate_sid_is_refused(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        with pytest.raises(ValueError, match="taken"):
            store.sessions.insert(replace(session, subject=new_subject_in_partition(partition_of(session.subject))))
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_sids_differ_by_case(self, store: Store) -> None:
        lower = new_session(sid=new_session_id(Subject("ada"), bytes.fromhex("00" + "69a69a" * 5)))
        decoded = decode_session_id(lower.sid[:-1].upper() + lower.sid[-1])
        assert decoded is not None
        upper = new_session(sid=encode_session_id(decoded), subject=new_subject_in_partition(decoded[0]))
        store.sessions.insert(replace(lower, subject=Subject("ada")))
        assert store.sessions.load(upper.sid) is None
        store.sessions.insert(upper)
        assert store.sessions.load(upper.sid) == LoadedSession(upper, RevocationFloor())

    def test_unusual_text_in_a_session_is_stored_unchanged(self, store: Store) -> None:
        for text in STRANGE_TEXTS:
            session = new_session(
                subject=Subject(f"{new_name()}{text}"),
                client=ClientInfo(text, text, text),
                scope=text,
                claims={text: text},
                end_reason=text,
            )
            store.sessions.insert(session)
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())
            assert store.sessions.list(session.subject) == [LoadedSession(session, RevocationFloor())]

    def test_unstorable_text_in_a_session_is_refused(self, store: Store) -> None:
        for text in UNSTORABLE_TEXTS:
            session = new_session(client=ClientInfo("default", text))
            with pytest.raises(BadRequest):
                store.sessions.insert(session)
            assert store.sessions.load(session.sid) is None
            store.sessions.insert(replace(session, client=ClientInfo()))
            with pytest.raises(BadRequest):
                store.sessions.replace(replace(session, version=1))
            assert store.sessions.load(session.sid) == LoadedSession(
                replace(session, client=ClientInfo()), RevocationFloor()
            )

    def test_an_unstorable_sid_or_subject_has_no_session(self, store: Store) -> None:
        for text in UNSTORABLE_TEXTS:
            with suppress(BadRequest):
                assert store.sessions.load(SessionId(text)) is None
            with suppress(BadRequest):
                assert store.sessions.list(Subject(text)) == []

    def test_a_number_beyond_64_bits_is_refused(self, store: Store) -> None:
        for number in UNSTORABLE_NUMBERS:
            session = new_session(expires_at=Instant(number))
            with pytest.raises(BadRequest):
                store.sessions.insert(session)
            assert store.sessions.load(session.sid) is None
            with pytest.raises(BadRequest):
                store.sessions.increment_generation(replace(new_increment(session.subject), at=Instant(number)))
            assert store.log.sequence() == 0

    def test_64_bit_numbers_are_stored_unchanged(self, store: Store) -> None:
        for number in (2**63 - 1, -(2**63)):
            session = new_session(rotated_at=Instant(number))
            store.sessions.insert(session)
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_each_count_of_repeats_is_stored_and_cleared(self, store: Store) -> None:
        for name in ("unseen_rotation", "late_answers", "rotation", "in_a_row"):
            session = new_session(repeats=Repeats(**{name: 3}))
            store.sessions.insert(session)
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())
            assert store.sessions.replace(replace(session, repeats=Repeats(), version=1)) == 0
            loaded = store.sessions.load(session.sid)
            assert loaded is not None
            assert loaded.session.repeats == Repeats()

    def test_replace_stores_the_next_version(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        changed = replace(
            session,
            client=replace(session.client, label="Firefox on a phone", address="2001:db8::1"),
            generation=4,
            auth_time=Instant(NOW + 1),
            last_seen_at=Instant(NOW + 2),
            expires_at=Instant(LATER + 3),
            amr=("pwd", "hwk"),
            scope="admin",
            claims={"a": [1]},
            renewals=1,
            rotations=1,
            rotated_at=Instant(NOW + 4),
            version=1,
            repeats=Repeats(unseen_rotation=1),
        )
        assert store.sessions.replace(changed) == 0
        assert store.sessions.load(session.sid) == LoadedSession(changed, RevocationFloor())

    def test_replace_refuses_every_other_version(self, store: Store) -> None:
        for version in (0, 2, 5, -1):
            session = new_session()
            store.sessions.insert(session)
            assert store.sessions.replace(replace(session, scope="changed", version=version)) is None
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_replacing_an_unknown_session_is_refused(self, store: Store) -> None:
        session = new_session(version=1)
        assert store.sessions.replace(session) is None
        assert store.sessions.load(session.sid) is None

    def test_list_returns_active_sessions_newest_first(self, store: Store) -> None:
        subject = Subject(new_name())
        old, new, ended = (new_session(subject=subject, created_at=Instant(NOW + n)) for n in (1, 3, 2))
        for session in (old, new, ended, new_session()):
            store.sessions.insert(session)
        store.sessions.replace(replace(ended, ended_at=NOW, end_reason="logout", version=1), session_revocation(ended))
        assert [loaded.session for loaded in store.sessions.list(subject)] == [new, old]

    def test_list_is_limited_to_max_listed(self, store: Store) -> None:
        subject = Subject(new_name())
        for age in range(MAX_LISTED + 1):
            store.sessions.insert(new_session(subject=subject, created_at=Instant(NOW - age)))
        listed = store.sessions.list(subject)
        assert len(listed) == MAX_LISTED
        assert listed[0].session.created_at == NOW

    def test_list_of_an_unknown_subject_is_empty(self, store: Store) -> None:
        assert list(store.sessions.list(Subject(new_name()))) == []

    def test_an_ended_session_can_be_loaded(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        ended = replace(session, ended_at=NOW, end_reason="logout", version=1)
        store.sessions.replace(ended, session_revocation(session))
        assert store.sessions.load(session.sid) == LoadedSession(ended, RevocationFloor())

    def test_wait_durable_is_true_for_the_stored_version_only(self, store: Store) -> None:
        """A session is acknowledged after ``wait_durable``, so it must be False for a version that was replaced."""
        session = new_session()
        assert not store.sessions.wait_durable(session)
        store.sessions.insert(session)
        assert store.sessions.wait_durable(session)
        rotated = replace(session, rotations=1, version=1)
        assert not store.sessions.wait_durable(rotated)
        store.sessions.replace(rotated)
        assert not store.sessions.wait_durable(session)
        assert store.sessions.wait_durable(rotated)
        assert store.sessions.load(session.sid) == LoadedSession(rotated, RevocationFloor())

    def test_purge_deletes_expired_sessions_only(self, store: Store) -> None:
        sessions = [new_session(expires_at=Instant(NOW + n)) for n in (-1, 0, 1)]
        for session in sessions:
            store.sessions.insert(session)
        assert store.sessions.purge(NOW) in (2, 0)
        assert [store.sessions.load(each.sid) is None for each in sessions] == [True, True, False]
        assert store.sessions.purge(NOW) == 0

    def test_purge_deletes_more_sessions_than_one_batch(self, store: Store) -> None:
        unexpired = new_session()
        store.sessions.insert(unexpired)
        expired = [new_session(expires_at=NOW) for _ in range(450)]
        for session in expired:
            store.sessions.insert(session)
        assert store.sessions.purge(NOW) in (450, 0)
        assert all(store.sessions.load(session.sid) is None for session in expired)
        assert store.sessions.load(unexpired.sid) is not None

    def test_an_extended_session_is_not_purged(self, store: Store) -> None:
        session = new_session(expires_at=NOW)
        store.sessions.insert(session)
        store.sessions.replace(replace(session, expires_at=LATER, version=1))
        assert store.sessions.purge(NOW) == 0
        assert store.sessions.load(session.sid) is not None

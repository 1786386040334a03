"""Contract for generations and not-befores, which revoke sessions without changing them."""

import pytest

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor
from keyturn.core.types import Instant, Subject
from keyturn.testing.contract.records import LATER, NOW, Store, new_increment, new_name, new_session


class GenerationIncrementContract:
    """Tests of increment_generation, raise_not_before and revocation_floor."""

    def test_an_increment_raises_the_generation_by_one(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        for generation in (1, 2, 3):
            entry = store.sessions.increment_generation(new_increment(session.subject))
            assert entry == Revocation(RevocationKind.SUBJECT, session.subject, generation, NOW, LATER, entry.sequence)
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor(generation))
            assert store.sessions.revocation_floor(session.subject, "default") == RevocationFloor(generation)

    def test_an_increment_changes_no_other_subject(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        store.sessions.increment_generation(new_increment(Subject(new_name())))
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_a_subject_without_sessions_can_be_incremented(self, store: Store) -> None:
        subject = Subject(new_name())
        store.sessions.increment_generation(new_increment(subject))
        assert store.sessions.revocation_floor(subject, "default") == RevocationFloor(1)

    def test_a_client_not_before_changes_no_other_client(self, store: Store) -> None:
        client_id = new_name()
        inside, outside = new_session(client=ClientInfo(client_id)), new_session(client=ClientInfo(new_name()))
        store.sessions.insert(inside)
        store.sessions.insert(outside)
        store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, LATER))
        assert store.sessions.load(inside.sid) == LoadedSession(inside, RevocationFloor(0, NOW))
        assert store.sessions.load(outside.sid) == LoadedSession(outside, RevocationFloor())
        assert store.sessions.revocation_floor(inside.subject, client_id) == RevocationFloor(0, NOW)

    def test_an_everything_not_before_applies_to_every_session(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor(0, NOW))
        assert list(store.sessions.list(session.subject)) == [LoadedSession(session, RevocationFloor(0, NOW))]

    def test_the_later_not_before_applies(self, store: Store) -> None:
        client_id = new_name()
        subject = Subject(new_name())
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW + 9, NOW, LATER))
        assert store.sessions.revocation_floor(subject, client_id) == RevocationFloor(0, Instant(NOW + 9))
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW + 20, NOW, LATER))
        assert store.sessions.revocation_floor(subject, client_id) == RevocationFloor(0, Instant(NOW + 20))

    def test_a_not_before_is_not_lowered(self, store: Store) -> None:
        client_id = new_name()
        first = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, LATER))
        second = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW - 100, NOW, LATER))
        assert second.sequence == first.sequence + 1
        assert store.sessions.revocation_floor(Subject(new_name()), client_id) == RevocationFloor(0, NOW)

    def test_a_not_before_of_another_kind_is_refused(self, store: Store) -> None:
        for kind in (RevocationKind.SESSION, RevocationKind.SUBJECT):
            last = store.log.sequence()
            with pytest.raises(ValueError, match="not-before"):
                store.sessions.raise_not_before(Revocation(kind, new_name(), 1, NOW, LATER))
            assert store.log.sequence() == last

    def test_a_purge_keeps_the_revocation_floor(self, store: Store) -> None:
        subject = Subject(new_name())
        store.sessions.increment_generation(new_increment(subject))
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        store.sessions.purge(Instant(LATER + 1))
        assert store.sessions.revocation_floor(subject, "default") == RevocationFloor(1, NOW)

"""What a store must do to end sessions from outside them."""

import pytest

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor
from keyturn.core.types import Instant, Subject
from keyturn.testing.contract.records import LATER, NOW, Store, new_name, new_session, voiding


class VoidingContract:
    """Generations and not-befores."""

    def test_void_raises_the_generation_by_one(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        for generation in (1, 2, 3):
            entry = store.sessions.increment_generation(voiding(session.subject))
            assert entry == Revocation(RevocationKind.SUBJECT, session.subject, generation, NOW, LATER, entry.sequence)
            assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor(generation))
            assert store.sessions.revocation_floor(session.subject, "default") == RevocationFloor(generation)

    def test_void_touches_no_other_subject(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        store.sessions.increment_generation(voiding(Subject(new_name())))
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())

    def test_a_subject_without_sessions_can_be_voided(self, store: Store) -> None:
        subject = Subject(new_name())
        store.sessions.increment_generation(voiding(subject))
        assert store.sessions.revocation_floor(subject, "default") == RevocationFloor(1)

    def test_a_client_is_marked_alone(self, store: Store) -> None:
        client_id = new_name()
        inside, outside = new_session(client=ClientInfo(client_id)), new_session(client=ClientInfo(new_name()))
        store.sessions.insert(inside)
        store.sessions.insert(outside)
        store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, LATER))
        assert store.sessions.load(inside.sid) == LoadedSession(inside, RevocationFloor(0, NOW))
        assert store.sessions.load(outside.sid) == LoadedSession(outside, RevocationFloor())
        assert store.sessions.revocation_floor(inside.subject, client_id) == RevocationFloor(0, NOW)

    def test_everything_is_marked(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor(0, NOW))
        assert list(store.sessions.list(session.subject)) == [LoadedSession(session, RevocationFloor(0, NOW))]

    def test_the_later_not_before_counts(self, store: Store) -> None:
        client_id = new_name()
        subject = Subject(new_name())
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW + 9, NOW, LATER))
        assert store.sessions.revocation_floor(subject, client_id) == RevocationFloor(0, Instant(NOW + 9))
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW + 20, NOW, LATER))
        assert store.sessions.revocation_floor(subject, client_id) == RevocationFloor(0, Instant(NOW + 20))

    def test_a_not_before_never_goes_back(self, store: Store) -> None:
        client_id = new_name()
        first = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, LATER))
        second = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, client_id, NOW - 100, NOW, LATER))
        assert second.sequence == first.sequence + 1
        assert store.sessions.revocation_floor(Subject(new_name()), client_id) == RevocationFloor(0, NOW)

    def test_only_clients_and_everything_are_marked(self, store: Store) -> None:
        for kind in (RevocationKind.SESSION, RevocationKind.SUBJECT):
            last = store.log.sequence()
            with pytest.raises(ValueError, match="not-before"):
                store.sessions.raise_not_before(Revocation(kind, new_name(), 1, NOW, LATER))
            assert store.log.sequence() == last

    def test_marks_outlive_every_purge(self, store: Store) -> None:
        subject = Subject(new_name())
        store.sessions.increment_generation(voiding(subject))
        store.sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW, NOW, LATER))
        store.sessions.purge(Instant(LATER + 1))
        assert store.sessions.revocation_floor(subject, "default") == RevocationFloor(1, NOW)

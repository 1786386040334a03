"""The index of open connections, and their deadlines."""

from connections.harness import NOW, principal_of
from keyturn.connections.index import ConnectionIndex, Deadlines, Registration
from keyturn.core.connection import ConnectionEnd
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant


def ignore(_: ConnectionEnd) -> None:
    pass


def registration(sid: str = "s1", subject: str = "ada", client: str = "web") -> Registration:
    return Registration(principal_of(sid, subject, client), 0.0, ignore)


def entry(kind: RevocationKind, key: str) -> Revocation:
    return Revocation(kind, key, ENDED, Instant(NOW), Instant(NOW + 1))


def test_an_entry_names_the_connections_of_its_sid_subject_or_client() -> None:
    index = ConnectionIndex()
    one, two, three = registration("s1"), registration("s2"), registration("s3", "bob", "tv")
    for each in (one, two, three):
        index.add(each)
    named = {
        (kind, key): index.named_by(entry(kind, key))
        for kind, key in (
            (RevocationKind.SESSION, "s1"),
            (RevocationKind.SESSION, "ada"),
            (RevocationKind.SUBJECT, "ada"),
            (RevocationKind.CLIENT, "tv"),
            (RevocationKind.EVERYTHING, ""),
        )
    }
    assert [set(each) for each in named.values()] == [{one}, set(), {one, two}, {three}, {one, two, three}]
    assert set(index.named_by(None)) == {one, two, three}


def test_a_removed_connection_leaves_nothing_behind() -> None:
    index = ConnectionIndex()
    one, two = registration("s1"), registration("s2")
    for each in (one, two):
        index.add(each)
    index.remove(one)
    index.remove(one)
    assert set(index.named_by(entry(RevocationKind.SUBJECT, "ada"))) == {two}
    index.remove(two)
    assert len(index) == 0
    assert [dict(each) for each in index._by_key.values()] == [{}, {}, {}]


def test_deadlines_come_in_order_and_once() -> None:
    deadlines, late, soon = Deadlines(), registration(), registration()
    deadlines.set(late, 20.0)
    deadlines.set(soon, 9.5)
    assert deadlines.seconds_until_next(4.0) == 6.0
    assert deadlines.pop_due(9.9) == []
    assert deadlines.pop_due(10.0) == [soon]
    assert deadlines.pop_due(25.0) == [late]
    assert deadlines.seconds_until_next(25.0) == float("inf")


def test_a_moved_deadline_counts_alone() -> None:
    deadlines, one = Deadlines(), registration()
    deadlines.set(one, 10)
    deadlines.set(one, 30)
    assert deadlines.pop_due(29) == []
    deadlines.set(one, None)
    assert deadlines.pop_due(31) == []


def test_ten_thousand_short_connections_leave_no_deadlines() -> None:
    deadlines = Deadlines()
    for second in range(10_000):
        one = registration()
        deadlines.set(one, second + 1_000_000)
        deadlines.set(one, None)
    assert len(deadlines) <= 100

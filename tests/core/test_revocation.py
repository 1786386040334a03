"""The revocation algebra: entries may come twice, in any order and grouping; every holder ends with the same set."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant, SessionId

SIDS, SUBJECTS, CLIENTS = ("s1", "s2"), ("ada", "bob"), ("web", "ios")


def entries() -> st.SearchStrategy[Revocation]:
    def of(
        kind: RevocationKind, keys: tuple[str, ...], values: st.SearchStrategy[int]
    ) -> st.SearchStrategy[Revocation]:
        moments = st.integers(1, 60).map(Instant)
        return st.builds(Revocation, st.just(kind), st.sampled_from(keys), values, moments, moments, st.integers(0, 50))

    small = st.integers(0, 9)
    return st.one_of(
        of(RevocationKind.SESSION, SIDS, small | st.just(ENDED)),
        of(RevocationKind.SUBJECT, SUBJECTS, small),
        of(RevocationKind.CLIENT, CLIENTS, small),
        of(RevocationKind.EVERYTHING, ("",), small),
    )


def revocation_set(*found: Revocation) -> RevocationSet:
    made = RevocationSet()
    for entry in found:
        made.apply(entry)
    return made


def state_of(of: RevocationSet) -> tuple[object, ...]:
    return of.sequence, of.ended, of.renewed, of.generations, of.clients, of.not_before, of._expires_at


def test_the_sequence_advances_after_the_entry_is_applied() -> None:
    found: list[int] = []

    class Watched(set[bytes]):
        def add(self, sid: bytes) -> None:
            found.append(watched.sequence)
            super().add(sid)

    watched = RevocationSet(ended=Watched())
    watched.apply(Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(60), 4))
    assert (found, watched.sequence) == ([0], 4)


def test_the_revision_changes_after_the_entry_is_applied() -> None:
    found: list[object] = []

    class Watched(set[bytes]):
        def add(self, sid: bytes) -> None:
            found.append(watched.revision)
            super().add(sid)

    watched = RevocationSet(ended=Watched())
    before = watched.revision
    watched.apply(Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(60), 4))
    assert found == [before]
    assert watched.revision is not before


def merged(one: list[Revocation], other: list[Revocation]) -> list[Revocation]:
    return [*one, *other]


ONE = st.lists(entries(), max_size=8)


@given(ONE, st.randoms())
def test_order_and_repetition_do_not_matter(found: list[Revocation], shuffle: object) -> None:
    again = [*found, *found]
    shuffle.shuffle(again)  # type: ignore[attr-defined]
    assert state_of(revocation_set(*again)) == state_of(revocation_set(*found))


@given(ONE, ONE, ONE)
def test_grouping_does_not_matter(one: list[Revocation], two: list[Revocation], three: list[Revocation]) -> None:
    assert state_of(revocation_set(*merged(merged(one, two), three))) == state_of(
        revocation_set(*merged(three, merged(two, one)))
    )


@given(ONE, entries())
def test_applying_an_entry_does_not_unrevoke(found: list[Revocation], entry: Revocation) -> None:
    before, after = revocation_set(*found), revocation_set(*found, entry)
    for sid in SIDS:
        assert after.min_counter(SessionId(sid)) >= before.min_counter(SessionId(sid))
        for subject in SUBJECTS:
            for client in CLIENTS:
                for number in (0, 4, 9):
                    claims = (sid, subject, number, client, number)
                    assert after.revokes(*claims) or not before.revokes(*claims)


def key_of(entry: Revocation) -> tuple[object, ...]:
    return entry.kind, entry.key, entry.kind is RevocationKind.SESSION and entry.value == ENDED


def expiry_of(entry: Revocation) -> int:
    """Return when the entry expires. Ended sessions expire in whole minutes, rounded up."""
    return -(-entry.expires_at // 60) * 60 if key_of(entry)[2] else entry.expires_at


@given(ONE, st.integers(0, 70).map(Instant))
def test_expiry_removes_exactly_the_expired_entries(found: list[Revocation], now: Instant) -> None:
    expired = revocation_set(*found)
    expired.expire(now)
    live = {key_of(each) for each in found if expiry_of(each) > now}
    of_live = revocation_set(
        *(each for each in found if key_of(each) in live or each.kind is RevocationKind.EVERYTHING)
    )
    assert state_of(expired)[1:] == state_of(of_live)[1:]
    for each in found:
        if each.expires_at > now and each.kind is RevocationKind.SESSION:
            assert expired.min_counter(SessionId(each.key)) >= each.value


@given(ONE, ONE)
def test_expiry_may_come_between_any_two_entries(first: list[Revocation], second: list[Revocation]) -> None:
    made = revocation_set(*first)
    made.expire(Instant(30))
    for entry in second:
        made.apply(entry)
    made.expire(Instant(30))
    for live in (each for each in (*first, *second) if each.expires_at > 30 and each.kind is RevocationKind.SUBJECT):
        assert made.generations[live.key] >= live.value
    made.expire(Instant(120))
    assert len(made) == 0
    for emptied in (made._expiry_heap, made._expires_at, made._ended_by_minute, made._later_minutes):
        assert not emptied


@pytest.mark.parametrize(
    ("entry", "good", "bad"),
    [
        (
            Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(9)),
            ("s2", "ada", 0, "web", 5),
            ("s1", "ada", 9, "web", 9),
        ),
        (
            Revocation(RevocationKind.SUBJECT, "ada", 4, Instant(1), Instant(9)),
            ("s1", "ada", 4, "web", 5),
            ("s1", "ada", 3, "web", 5),
        ),
        (
            Revocation(RevocationKind.CLIENT, "web", 50, Instant(1), Instant(9)),
            ("s1", "ada", 0, "web", 50),
            ("s1", "ada", 0, "web", 49),
        ),
        (
            Revocation(RevocationKind.EVERYTHING, "", 50, Instant(1), Instant(9)),
            ("s1", "ada", 0, "ios", 50),
            ("s1", "ada", 0, "ios", 49),
        ),
    ],
)
def test_each_kind_revokes_exactly_its_target(
    entry: Revocation, good: tuple[str, str, int, str, int], bad: tuple[str, str, int, str, int]
) -> None:
    made = revocation_set(entry)
    assert not made.revokes(*good)
    assert made.revokes(*bad)
    assert not RevocationSet().revokes(*bad)


def test_a_renewed_session_keeps_its_access_tokens_and_loses_its_earlier_cookies() -> None:
    made = revocation_set(Revocation(RevocationKind.SESSION, "s1", 2, Instant(1), Instant(9)))
    assert made.min_counter(SessionId("s1")) == 2
    assert made.min_counter(SessionId("s2")) == 0
    assert not made.revokes("s1", "ada", 0, "web", 5)
    made.apply(Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(9)))
    assert made.min_counter(SessionId("s1")) == ENDED
    assert len(made) == 2


def test_an_ended_and_renewed_session_is_forgotten_whole() -> None:
    made = revocation_set(
        Revocation(RevocationKind.SESSION, "s1", 2, Instant(1), Instant(9)),
        Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(20)),
    )
    made.expire(Instant(19))
    assert made.min_counter(SessionId("s1")) == ENDED
    made.expire(Instant(59))
    assert made.min_counter(SessionId("s1")) == ENDED
    made.expire(Instant(60))
    assert (len(made), made.min_counter(SessionId("s1"))) == (0, 0)


def test_a_session_ended_twice_is_forgotten_with_the_later_of_its_ends() -> None:
    made = revocation_set(
        *(Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(until)) for until in (60, 120))
    )
    made.expire(Instant(60))
    assert made.min_counter(SessionId("s1")) == ENDED
    made.expire(Instant(120))
    assert (len(made), made.min_counter(SessionId("s1"))) == (0, 0)


def test_a_global_not_before_does_not_expire() -> None:
    made = revocation_set(Revocation(RevocationKind.EVERYTHING, "", 50, Instant(1), Instant(9)))
    made.expire(Instant(10**9))
    assert made.not_before == 50


@given(ONE, st.integers(0, 130).map(Instant))
def test_a_set_rebuilt_from_its_entries_revokes_and_forgets_alike(found: list[Revocation], now: Instant) -> None:
    made = revocation_set(*found)
    rebuilt = revocation_set(*made.entries(Instant(0)))
    assert state_of(rebuilt)[1:] == state_of(made)[1:]
    made.expire(now)
    rebuilt.expire(now)
    assert state_of(rebuilt)[1:] == state_of(made)[1:]


def test_the_entry_of_an_ended_session_expires_at_the_full_minute() -> None:
    made = revocation_set(Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(1), Instant(61), 4))
    assert list(made.entries(Instant(5))) == [Revocation(RevocationKind.SESSION, "s1", ENDED, Instant(5), Instant(120))]


@pytest.mark.parametrize(
    "entry",
    [
        Revocation(RevocationKind.SESSION, "s1", 2, Instant(5), Instant(61)),
        Revocation(RevocationKind.SUBJECT, "ada", 4, Instant(5), Instant(61)),
        Revocation(RevocationKind.CLIENT, "web", 50, Instant(5), Instant(61)),
        Revocation(RevocationKind.EVERYTHING, "", 50, Instant(5), Instant(61)),
    ],
    ids=lambda entry: entry.kind.value,
)
def test_the_entry_of_any_other_kind_is_dated_anew_and_otherwise_the_same(entry: Revocation) -> None:
    made = revocation_set(replace(entry, at=Instant(1), sequence=4))
    assert list(made.entries(Instant(5))) == [entry]


def test_an_empty_set_has_no_entries() -> None:
    assert list(RevocationSet().entries(Instant(5))) == []


def test_the_sequence_is_the_highest_seen() -> None:
    entry = Revocation(RevocationKind.SUBJECT, "ada", 1, Instant(1), Instant(9), sequence=5)
    assert revocation_set(entry, replace(entry, sequence=3)).sequence == 5

from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread

import pytest

from keyturn.core.revocation import ENDED, LogCursor, Revocation, RevocationKind, RevocationPage, Verdict
from keyturn.core.session import CachedSession, ClientInfo, LoadedSession, RevocationFloor, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.stores.session_cache import LINGER_SECONDS, LocalSessionCache

NOW = Instant(1_700_000_000)
LATER = Instant(NOW + 900)


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session_cache(clock: Clock) -> LocalSessionCache:
    session_cache = LocalSessionCache(5.0, clock, capacity=3)
    session_cache.mark_complete(clock.at)
    return session_cache


def found(
    sid: str = "s1", subject: str = "ada", *, marks: RevocationFloor | None = None, **changes: object
) -> LoadedSession:
    session = Session(
        SessionId(sid), Subject(subject), Seed(b"x" * 32), ClientInfo("web"), 0, NOW, NOW, NOW, Instant(NOW + 9999)
    )
    return LoadedSession(replace(session, **changes), marks or RevocationFloor())  # type: ignore[arg-type]


def entry(kind: RevocationKind, key: str, value: int, sequence: int = 1) -> Revocation:
    return Revocation(kind, key, value, NOW, LATER, sequence)


def judge(session_cache: LocalSessionCache) -> Verdict:
    return session_cache.check("s1", "ada", 0, "web", NOW)


def test_nothing_is_recalled_before_the_first_news() -> None:
    session_cache = LocalSessionCache(5.0, Clock())
    session_cache.put(found())
    assert session_cache.get(SessionId("s1")) is None
    assert judge(session_cache) is Verdict.UNKNOWN
    assert session_cache.is_fresh is False


def test_a_session_is_recalled_up_to_the_bound_and_no_longer(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.put(found())
    clock.at += 5.0
    assert session_cache.get(SessionId("s1")) == found()
    assert judge(session_cache) is Verdict.LIVE
    clock.at += 0.001
    assert session_cache.get(SessionId("s1")) is None
    assert judge(session_cache) is Verdict.UNKNOWN
    assert session_cache.age_seconds == pytest.approx(5.001)


def test_old_news_does_not_make_it_fresh_again(session_cache: LocalSessionCache, clock: Clock) -> None:
    clock.at += 6
    session_cache.mark_complete(clock.at - 5.5)
    assert session_cache.is_fresh is False
    session_cache.mark_complete(clock.at - 4.5)
    assert session_cache.is_fresh is True


def test_a_stale_denial_is_not_given_either(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    assert judge(session_cache) is Verdict.REVOKED
    clock.at += 6
    assert judge(session_cache) is Verdict.UNKNOWN


def test_an_unknown_sid_is_not_recalled(session_cache: LocalSessionCache) -> None:
    assert session_cache.get(SessionId("unknown")) is None


@pytest.mark.parametrize(
    ("revocation", "evicted"),
    [
        (entry(RevocationKind.SESSION, "s1", ENDED), ["s1"]),
        (entry(RevocationKind.SESSION, "s1", 1), ["s1"]),
        (entry(RevocationKind.SUBJECT, "ada", 1), ["s1", "s2"]),
        (entry(RevocationKind.CLIENT, "web", NOW + 1), ["s1", "s2", "s3"]),
        (entry(RevocationKind.EVERYTHING, "", NOW + 1), ["s1", "s2", "s3"]),
    ],
    ids=["ended", "renewed", "subject", "client", "everything"],
)
@pytest.mark.parametrize("way", [LocalSessionCache.apply, LocalSessionCache.apply_local])
def test_an_entry_evicts_what_it_may_have_changed(
    session_cache: LocalSessionCache,
    revocation: Revocation,
    evicted: list[str],
    way: Callable[[LocalSessionCache, Revocation], None],
) -> None:
    for each in (found("s1"), found("s2"), found("s3", "bob")):
        session_cache.put(each)
    way(session_cache, revocation)
    assert [sid for sid in ("s1", "s2", "s3") if session_cache.get(SessionId(sid)) is None] == evicted


@pytest.mark.parametrize(
    "revocation",
    [
        entry(RevocationKind.SESSION, "s1", ENDED),
        entry(RevocationKind.SESSION, "s1", 1),
        entry(RevocationKind.SUBJECT, "ada", 1),
        entry(RevocationKind.CLIENT, "web", NOW + 1),
        entry(RevocationKind.EVERYTHING, "", NOW + 1),
    ],
    ids=["ended", "renewed", "subject", "client", "everything"],
)
def test_a_load_that_raced_an_entry_is_not_remembered(session_cache: LocalSessionCache, revocation: Revocation) -> None:
    raced = found()
    session_cache.apply(revocation)
    session_cache.put(raced)
    assert session_cache.get(SessionId("s1")) is None


def test_a_load_that_saw_the_entry_is_remembered(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", 1))
    session_cache.apply(entry(RevocationKind.SUBJECT, "ada", 1, 2))
    session_cache.apply(entry(RevocationKind.EVERYTHING, "", NOW + 1, 3))
    seen = found(renewals=1, generation=1, marks=RevocationFloor(1, Instant(NOW + 1)))
    session_cache.put(seen)
    assert session_cache.get(SessionId("s1")) == seen


def test_an_ended_session_is_not_remembered(session_cache: LocalSessionCache) -> None:
    session_cache.put(found(ended_at=NOW))
    assert len(session_cache) == 0


def test_a_slow_load_does_not_replace_a_newer_one(session_cache: LocalSessionCache) -> None:
    session_cache.put(found(version=2))
    session_cache.put(found(version=1))
    assert session_cache.get(SessionId("s1")) == found(version=2)
    session_cache.put(found(version=3))
    assert session_cache.get(SessionId("s1")) == found(version=3)


def test_a_forgotten_session_is_gone(session_cache: LocalSessionCache) -> None:
    session_cache.put(found())
    session_cache.evict(SessionId("s1"))
    session_cache.evict(SessionId("s1"))
    assert session_cache.get(SessionId("s1")) is None


def test_the_session_used_longest_ago_makes_room(session_cache: LocalSessionCache) -> None:
    for sid in ("s1", "s2", "s3"):
        session_cache.put(found(sid))
    session_cache.get(SessionId("s1"))
    session_cache.put(found("s4"))
    assert [sid for sid in ("s1", "s2", "s3", "s4") if session_cache.get(SessionId(sid))] == ["s1", "s3", "s4"]
    # What made room is in no index any more, and what stayed still is.
    session_cache.apply(entry(RevocationKind.SUBJECT, "ada", 1))
    assert len(session_cache) == 0


def test_a_snapshot_drops_every_session_and_forgets_no_revocation(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    session_cache.put(found("s2"))
    session_cache.reset(RevocationPage((entry(RevocationKind.SESSION, "s3", ENDED, 7),), 9))
    assert len(session_cache) == 0
    assert session_cache.sequence == 9
    assert judge(session_cache) is Verdict.REVOKED
    assert session_cache.check("s3", "ada", 0, "web", NOW) is Verdict.REVOKED


def test_revocations_linger_a_little_and_then_expire(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    session_cache.expire(Instant(LATER + LINGER_SECONDS - 1))
    assert judge(session_cache) is Verdict.REVOKED
    session_cache.expire(Instant(LATER + LINGER_SECONDS + 60))
    assert judge(session_cache) is Verdict.LIVE


# --- what other processes read --------------------------------------------------------------------------------


@pytest.fixture
def following(session_cache: LocalSessionCache) -> LocalSessionCache:
    """A near-cache that has taken a snapshot of log 7, up to 3."""
    session_cache.reset(RevocationPage((), 3, log_id=7))
    return session_cache


def copied(found: LoadedSession, log: int = 7, sequence: int = 3) -> CachedSession:
    return CachedSession(found, LogCursor(log, sequence), NOW)


def test_it_says_how_far_it_followed_which_log_while_its_news_is_fresh(
    following: LocalSessionCache, clock: Clock
) -> None:
    assert following.cursor() == LogCursor(7, 3)
    following.apply(entry(RevocationKind.SESSION, "s9", ENDED, 4))
    assert following.cursor() == LogCursor(7, 4)
    clock.at += 5.001
    assert following.cursor() is None


def test_it_follows_no_log_before_the_first_snapshot(session_cache: LocalSessionCache) -> None:
    assert session_cache.cursor() is None
    assert session_cache.accept_copy(copied(found())) is False


def test_a_copy_nothing_speaks_against_is_vouched_for_and_cached(following: LocalSessionCache) -> None:
    assert following.accept_copy(copied(found())) is True
    assert following.get(SessionId("s1")) == found()


def test_a_copy_is_not_vouched_for_on_stale_news(following: LocalSessionCache, clock: Clock) -> None:
    clock.at += 5.001
    assert following.accept_copy(copied(found())) is False


def test_a_copy_read_under_another_log_or_further_on_in_this_one_is_not_vouched_for(
    following: LocalSessionCache,
) -> None:
    """The log went back in time, or this process is behind: what it knows says nothing about that copy."""
    assert following.accept_copy(copied(found(), log=8)) is False
    assert following.accept_copy(copied(found(), sequence=4)) is False
    assert following.get(SessionId("s1")) is None


@pytest.mark.parametrize(
    "known",
    [
        entry(RevocationKind.SESSION, "s1", ENDED, 4),
        entry(RevocationKind.SESSION, "s1", 1, 4),
        entry(RevocationKind.SUBJECT, "ada", 1, 4),
        entry(RevocationKind.CLIENT, "web", NOW + 1, 4),
        entry(RevocationKind.EVERYTHING, "", NOW + 1, 4),
    ],
    ids=["ended", "renewed", "subject", "client", "everything"],
)
def test_a_copy_of_before_a_revocation_is_not_vouched_for(following: LocalSessionCache, known: Revocation) -> None:
    following.apply(known)
    assert following.accept_copy(copied(found())) is False
    assert following.get(SessionId("s1")) is None


def test_a_copy_of_an_ended_session_is_not_vouched_for(following: LocalSessionCache) -> None:
    assert following.accept_copy(copied(found(ended_at=NOW))) is False


def test_an_old_copy_does_not_replace_a_newer_session(following: LocalSessionCache) -> None:
    following.put(found(version=2))
    assert following.accept_copy(copied(found(version=1))) is True
    assert following.get(SessionId("s1")) == found(version=2)


def test_its_repr_shows_no_session(session_cache: LocalSessionCache) -> None:
    session_cache.put(found())
    session_cache.apply(entry(RevocationKind.SESSION, "s9", ENDED))
    assert repr(session_cache) == "NearSessions(1 of 3, 1 revocations)"
    assert session_cache.revocation_count == 1


def test_no_thread_recalls_a_session_its_generation_voided() -> None:
    session_cache = LocalSessionCache(5.0, Clock(), capacity=50)
    session_cache.mark_complete(100.0)
    done, wrong = Event(), list[LoadedSession]()

    def load_and_recall() -> None:
        while not done.is_set():
            # A load that may be as old as it likes.
            session_cache.put(found(f"s{len(session_cache) % 60}"))

    loaders = [Thread(target=load_and_recall) for _ in range(3)]
    for thread in loaders:
        thread.start()
    for generation in range(1, 200):
        session_cache.apply(entry(RevocationKind.SUBJECT, "ada", generation, generation))
        wrong.extend(filter(None, (session_cache.get(SessionId(f"s{n}")) for n in range(60))))
    done.set()
    for thread in loaders:
        thread.join()
    assert wrong == []


def test_who_listens_hears_of_every_revocation_until_he_stops(session_cache: LocalSessionCache) -> None:
    heard: list[str] = []
    stop, other = (
        session_cache.subscribe(lambda: heard.append("one")),
        session_cache.subscribe(lambda: heard.append("two")),
    )
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    stop()
    session_cache.reset(RevocationPage((entry(RevocationKind.SESSION, "s2", ENDED, 2),), 2))
    other()
    session_cache.apply(entry(RevocationKind.SESSION, "s3", ENDED, 3))
    assert heard == ["one", "two", "two"]


def test_hits_and_misses_are_counted(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.get(SessionId("s1"))
    session_cache.put(found())
    session_cache.get(SessionId("s1"))
    clock.at += 6
    session_cache.get(SessionId("s1"))
    assert (session_cache.hits, session_cache.misses) == (1, 2)

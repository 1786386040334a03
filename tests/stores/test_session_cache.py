"""The session cache: sessions and revocations of one process."""

from collections.abc import Callable
from threading import Event, Thread

import pytest

from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage, Verdict
from keyturn.core.session import LoadedSession, RevocationFloor
from keyturn.core.types import Instant, SessionId
from keyturn.stores.session_cache import LINGER_SECONDS, LocalSessionCache
from stores.cached_sessions import LATER, NOW, Clock, entry, loaded, verdict


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session_cache(clock: Clock) -> LocalSessionCache:
    session_cache = LocalSessionCache(5.0, clock, capacity=3)
    session_cache.mark_complete(clock.at)
    return session_cache


def test_a_cache_without_a_feed_returns_nothing() -> None:
    session_cache = LocalSessionCache(5.0, Clock())
    session_cache.put(loaded())
    assert session_cache.get(SessionId("s1")) is None
    assert verdict(session_cache) is Verdict.UNKNOWN
    assert session_cache.is_fresh is False


def test_a_session_is_returned_up_to_the_staleness_bound(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.put(loaded())
    clock.at += 5.0
    assert session_cache.get(SessionId("s1")) == loaded()
    assert verdict(session_cache) is Verdict.LIVE
    clock.at += 0.001
    assert session_cache.get(SessionId("s1")) is None
    assert verdict(session_cache) is Verdict.UNKNOWN
    assert session_cache.age_seconds == pytest.approx(5.001)


def test_a_late_completion_older_than_the_bound_leaves_the_cache_stale(
    session_cache: LocalSessionCache, clock: Clock
) -> None:
    clock.at += 6
    session_cache.mark_complete(clock.at - 5.5)
    assert session_cache.is_fresh is False
    session_cache.mark_complete(clock.at - 4.5)
    assert session_cache.is_fresh is True


def test_a_stale_cache_reports_a_revoked_token_as_unknown(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    assert verdict(session_cache) is Verdict.REVOKED
    clock.at += 6
    assert verdict(session_cache) is Verdict.UNKNOWN


def test_an_unknown_sid_is_a_miss(session_cache: LocalSessionCache) -> None:
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
@pytest.mark.parametrize("apply", [LocalSessionCache.apply, LocalSessionCache.apply_local])
def test_an_entry_evicts_the_sessions_it_may_have_changed(
    session_cache: LocalSessionCache,
    revocation: Revocation,
    evicted: list[str],
    apply: Callable[[LocalSessionCache, Revocation], None],
) -> None:
    for each in (loaded("s1"), loaded("s2"), loaded("s3", "bob")):
        session_cache.put(each)
    apply(session_cache, revocation)
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
def test_a_load_older_than_an_entry_is_not_cached(session_cache: LocalSessionCache, revocation: Revocation) -> None:
    older = loaded()
    session_cache.apply(revocation)
    session_cache.put(older)
    assert session_cache.get(SessionId("s1")) is None


def test_a_load_newer_than_an_entry_is_cached(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", 1))
    session_cache.apply(entry(RevocationKind.SUBJECT, "ada", 1, 2))
    session_cache.apply(entry(RevocationKind.EVERYTHING, "", NOW + 1, 3))
    newer = loaded(renewals=1, generation=1, marks=RevocationFloor(1, Instant(NOW + 1)))
    session_cache.put(newer)
    assert session_cache.get(SessionId("s1")) == newer


def test_an_ended_session_is_not_cached(session_cache: LocalSessionCache) -> None:
    session_cache.put(loaded(ended_at=NOW))
    assert len(session_cache) == 0


def test_an_older_version_does_not_replace_a_newer_one(session_cache: LocalSessionCache) -> None:
    session_cache.put(loaded(version=2))
    session_cache.put(loaded(version=1))
    assert session_cache.get(SessionId("s1")) == loaded(version=2)
    session_cache.put(loaded(version=3))
    assert session_cache.get(SessionId("s1")) == loaded(version=3)


def test_an_evicted_session_is_a_miss(session_cache: LocalSessionCache) -> None:
    session_cache.put(loaded())
    session_cache.evict(SessionId("s1"))
    session_cache.evict(SessionId("s1"))
    assert session_cache.get(SessionId("s1")) is None


def test_a_full_cache_evicts_the_least_recently_used_session(session_cache: LocalSessionCache) -> None:
    for sid in ("s1", "s2", "s3"):
        session_cache.put(loaded(sid))
    session_cache.get(SessionId("s1"))
    session_cache.put(loaded("s4"))
    assert [sid for sid in ("s1", "s2", "s3", "s4") if session_cache.get(SessionId(sid))] == ["s1", "s3", "s4"]
    # The evicted session is in no index any more; the others still are.
    session_cache.apply(entry(RevocationKind.SUBJECT, "ada", 1))
    assert len(session_cache) == 0


def test_a_snapshot_removes_all_sessions_and_no_revocation(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    session_cache.put(loaded("s2"))
    session_cache.reset(RevocationPage((entry(RevocationKind.SESSION, "s3", ENDED, 7),), 9))
    assert len(session_cache) == 0
    assert session_cache.sequence == 9
    assert verdict(session_cache) is Verdict.REVOKED
    assert session_cache.check("s3", "ada", 0, "web", NOW) is Verdict.REVOKED


def test_revocations_expire_after_the_linger_time(session_cache: LocalSessionCache) -> None:
    session_cache.apply(entry(RevocationKind.SESSION, "s1", ENDED))
    session_cache.expire(Instant(LATER + LINGER_SECONDS - 1))
    assert verdict(session_cache) is Verdict.REVOKED
    session_cache.expire(Instant(LATER + LINGER_SECONDS + 60))
    assert verdict(session_cache) is Verdict.LIVE


def test_repr_shows_no_session(session_cache: LocalSessionCache) -> None:
    session_cache.put(loaded())
    session_cache.apply(entry(RevocationKind.SESSION, "s9", ENDED))
    assert repr(session_cache) == "LocalSessionCache(1 of 3, 1 revocations)"
    assert session_cache.revocation_count == 1


def test_racing_loads_do_not_cache_a_void_session() -> None:
    session_cache = LocalSessionCache(5.0, Clock(), capacity=50)
    session_cache.mark_complete(100.0)
    done, void = Event(), list[LoadedSession]()

    def load_repeatedly() -> None:
        while not done.is_set():
            # The load may be of any age.
            session_cache.put(loaded(f"s{len(session_cache) % 60}"))

    loaders = [Thread(target=load_repeatedly) for _ in range(3)]
    for thread in loaders:
        thread.start()
    for generation in range(1, 200):
        session_cache.apply(entry(RevocationKind.SUBJECT, "ada", generation, generation))
        void.extend(filter(None, (session_cache.get(SessionId(f"s{n}")) for n in range(60))))
    done.set()
    for thread in loaders:
        thread.join()
    assert void == []


def test_a_listener_receives_each_revocation_until_it_unsubscribes(session_cache: LocalSessionCache) -> None:
    first, second = entry(RevocationKind.SESSION, "s1", ENDED), entry(RevocationKind.SUBJECT, "ada", 2, 2)
    calls: list[tuple[str, Revocation | None]] = []
    stop, other = (
        session_cache.subscribe(lambda applied: calls.append(("one", applied))),
        session_cache.subscribe(lambda applied: calls.append(("two", applied))),
    )
    session_cache.apply(first)
    stop()
    session_cache.apply_local(second)
    session_cache.reset(RevocationPage((entry(RevocationKind.SESSION, "s2", ENDED, 2),), 2))
    other()
    session_cache.apply(entry(RevocationKind.SESSION, "s3", ENDED, 3))
    assert calls == [("one", first), ("two", first), ("two", second), ("two", None)]


def test_hits_and_misses_are_counted(session_cache: LocalSessionCache, clock: Clock) -> None:
    session_cache.get(SessionId("s1"))
    session_cache.put(loaded())
    session_cache.get(SessionId("s1"))
    clock.at += 6
    session_cache.get(SessionId("s1"))
    assert (session_cache.hits, session_cache.misses) == (1, 2)

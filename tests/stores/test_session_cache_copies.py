"""The session cache: copies of sessions that other processes have read."""

import pytest

from keyturn.core.feed import LogCursor
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage
from keyturn.core.session import CachedSession, LoadedSession
from keyturn.core.types import SessionId
from keyturn.stores.session_cache import LocalSessionCache
from stores.cached_sessions import NOW, Clock, entry, loaded


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session_cache(clock: Clock) -> LocalSessionCache:
    session_cache = LocalSessionCache(5.0, clock, capacity=3)
    session_cache.mark_complete(clock.at)
    return session_cache


@pytest.fixture
def caught_up(session_cache: LocalSessionCache) -> LocalSessionCache:
    """Return a session cache that has applied a snapshot of log 7 up to sequence number 3."""
    session_cache.reset(RevocationPage((), 3, log_id=7))
    return session_cache


def cached_copy(session: LoadedSession, log: int = 7, sequence: int = 3) -> CachedSession:
    return CachedSession(session, LogCursor(log, sequence), NOW)


def test_a_fresh_cache_returns_its_log_position(caught_up: LocalSessionCache, clock: Clock) -> None:
    assert caught_up.cursor() == LogCursor(7, 3)
    caught_up.apply(entry(RevocationKind.SESSION, "s9", ENDED, 4))
    assert caught_up.cursor() == LogCursor(7, 4)
    clock.at += 5.001
    assert caught_up.cursor() is None


def test_a_cache_without_a_snapshot_has_no_log_position(session_cache: LocalSessionCache) -> None:
    assert session_cache.cursor() is None
    assert session_cache.accept_copy(cached_copy(loaded())) is False


def test_a_valid_copy_is_accepted_and_cached(caught_up: LocalSessionCache) -> None:
    assert caught_up.accept_copy(cached_copy(loaded())) is True
    assert caught_up.get(SessionId("s1")) == loaded()


def test_a_stale_cache_accepts_no_copy(caught_up: LocalSessionCache, clock: Clock) -> None:
    clock.at += 5.001
    assert caught_up.accept_copy(cached_copy(loaded())) is False


def test_a_copy_of_another_log_or_a_later_position_is_not_accepted(
    caught_up: LocalSessionCache,
) -> None:
    """The log was restored, or this process is behind: it cannot check the copy."""
    assert caught_up.accept_copy(cached_copy(loaded(), log=8)) is False
    assert caught_up.accept_copy(cached_copy(loaded(), sequence=4)) is False
    assert caught_up.get(SessionId("s1")) is None


@pytest.mark.parametrize(
    "revocation",
    [
        entry(RevocationKind.SESSION, "s1", ENDED, 4),
        entry(RevocationKind.SESSION, "s1", 1, 4),
        entry(RevocationKind.SUBJECT, "ada", 1, 4),
        entry(RevocationKind.CLIENT, "web", NOW + 1, 4),
        entry(RevocationKind.EVERYTHING, "", NOW + 1, 4),
    ],
    ids=["ended", "renewed", "subject", "client", "everything"],
)
def test_a_copy_older_than_a_revocation_is_not_accepted(caught_up: LocalSessionCache, revocation: Revocation) -> None:
    caught_up.apply(revocation)
    assert caught_up.accept_copy(cached_copy(loaded())) is False
    assert caught_up.get(SessionId("s1")) is None


def test_a_copy_of_an_ended_session_is_not_accepted(caught_up: LocalSessionCache) -> None:
    assert caught_up.accept_copy(cached_copy(loaded(ended_at=NOW))) is False


def test_an_older_copy_does_not_replace_a_newer_session(caught_up: LocalSessionCache) -> None:
    caught_up.put(loaded(version=2))
    assert caught_up.accept_copy(cached_copy(loaded(version=1))) is True
    assert caught_up.get(SessionId("s1")) == loaded(version=2)

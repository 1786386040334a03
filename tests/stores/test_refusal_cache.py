"""Refused session tokens are remembered whole, in bounded number, for the staleness bound, under one log."""

from dataclasses import replace

import pytest

from keyturn.core.feed import LogCursor
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage
from keyturn.core.sealed import CredentialKind, ParsedCredential
from keyturn.core.types import Instant, SessionId
from keyturn.errors import TokenInvalid, TokenRevoked
from keyturn.stores.refusal_cache import RefusalCache
from keyturn.stores.session_cache import LocalSessionCache

DEAD = ParsedCredential(CredentialKind.SESSION, SessionId("one"), 0, b"m" * 32, b"s" * 32)


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_refusal_is_remembered_for_the_staleness_bound_only(clock: Clock) -> None:
    cache = RefusalCache(5, clock)
    cache.put(DEAD, 1, TokenInvalid)
    clock.at += 5
    assert cache.get(DEAD, 1) is TokenInvalid
    clock.at += 0.1
    assert cache.get(DEAD, 1) is None


@pytest.mark.parametrize(
    "other",
    [replace(DEAD, counter=1), replace(DEAD, mac=b"n" * 32), replace(DEAD, sid=SessionId("two"))],
    ids=["counter", "mac", "sid"],
)
def test_a_refusal_holds_for_the_whole_credential_only(clock: Clock, other: ParsedCredential) -> None:
    cache = RefusalCache(5, clock)
    cache.put(DEAD, 1, TokenInvalid)
    assert cache.get(other, 1) is None


def test_a_refusal_under_another_log_is_not_used(clock: Clock) -> None:
    cache = RefusalCache(5, clock)
    cache.put(DEAD, 1, TokenInvalid)
    assert cache.get(DEAD, 2) is None


def test_the_oldest_refusal_is_removed_at_capacity(clock: Clock) -> None:
    cache = RefusalCache(5, clock, capacity=2)
    for counter in (0, 1, 0, 2):
        cache.put(replace(DEAD, counter=counter), 1, TokenInvalid)
    assert [cache.get(replace(DEAD, counter=each), 1) for each in (0, 1, 2)] == [TokenInvalid, None, TokenInvalid]
    assert len(cache) == 2


def test_the_session_cache_refuses_an_ended_session_even_when_its_feed_is_stale(clock: Clock) -> None:
    cache = LocalSessionCache(5, clock)
    cache.apply(Revocation(RevocationKind.SESSION, "one", ENDED, Instant(0), Instant(9000), 1))
    assert cache.get_refusal(DEAD) is TokenRevoked
    assert cache.get_refusal(replace(DEAD, sid=SessionId("two"))) is None


def test_the_session_cache_drops_refusals_with_the_identity_of_its_log(clock: Clock) -> None:
    cache = LocalSessionCache(5, clock)
    cache.reset(RevocationPage((), 3, log_id=7))
    cache.put_refusal(DEAD, TokenInvalid, LogCursor(7, 3))
    assert cache.get_refusal(DEAD) is TokenInvalid
    cache.reset(RevocationPage((), 3, log_id=8))
    assert cache.get_refusal(DEAD) is None

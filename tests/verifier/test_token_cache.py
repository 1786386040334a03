"""The token cache: bounded, without expired tokens."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keyturn.verifier.token_cache import TokenCache


def seen(ends_at: int) -> Any:
    return SimpleNamespace(ends_at=ends_at)


def test_an_entry_is_dropped_when_it_ends() -> None:
    memo = TokenCache(10)
    memo.insert("a", seen(100), 0)
    memo.insert("b", seen(200), 99)
    assert set(memo.entries) == {"a", "b"}
    memo.insert("c", seen(300), 100)
    assert set(memo.entries) == {"b", "c"}


def test_past_its_capacity_the_one_nearest_its_end_goes_first() -> None:
    memo = TokenCache(2)
    for token, ends_at in (("long", 300), ("short", 100), ("middle", 200)):
        memo.insert(token, seen(ends_at), 0)
    assert set(memo.entries) == {"long", "middle"}


def test_a_token_cache_of_size_zero_stays_empty() -> None:
    memo = TokenCache(0)
    memo.insert("a", seen(100), 0)
    assert memo.entries == {}


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 50), st.integers(0, 40))))
def test_a_token_cache_stays_within_its_capacity(capacity: int, inserts: list[tuple[str, int, int]]) -> None:
    memo = TokenCache(capacity)
    for token, lives, now in inserts:
        memo.insert(token, seen(now + lives), now)
        assert len(memo.entries) <= len(memo._expirations) <= capacity
        assert token in memo.entries

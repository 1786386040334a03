"""The key cache: fetched ahead, kept when a fetch fails, one fetch at a time, limited for unknown kids."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import Refusal, Unavailable, UnknownKey
from keyturn.tokens import SigningKey
from keyturn.verifier import AsyncVerifier, KeyCache, KeySchedule, Verifier
from verifier.publisher import JWKS, Publisher, wait_for_fetch

ISSUER = "https://auth.example.com"
Mint = Callable[..., str]


@pytest.fixture
def publisher(key: SigningKey) -> Publisher:
    made = Publisher()
    made.publish(key)
    return made


@pytest.fixture
def cache(publisher: Publisher, monotonic: Any) -> KeyCache:
    return KeyCache(lambda: JWKS, send=publisher, monotonic=monotonic)


@pytest.fixture
def verify(cache: KeyCache, clock: Any, monotonic: Any) -> Verifier:
    return Verifier(ISSUER, "orders", keys=cache, revocation="none", clock=clock, monotonic=monotonic)


def test_no_key_is_fetched_before_the_first_token(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint
) -> None:
    assert (publisher.fetches, cache.current) == (0, None)
    assert verify(mint())
    assert verify(mint(sub="bob"))
    assert publisher.fetches == 1


def test_keys_are_refreshed_in_the_background_while_tokens_are_judged(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any
) -> None:
    token = mint()
    verify(token)
    monotonic.now = 299
    verify(token)
    assert publisher.fetches == 1
    monotonic.now = 300
    publisher.gate.clear()
    for _ in range(5):
        verify(token)  # not held up, though the fetch is
    publisher.gate.set()
    wait_for_fetch()
    assert publisher.fetches == 2


def test_an_unchanged_key_document_keeps_cached_tokens(
    cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any
) -> None:
    token = mint()
    first = verify(token)
    monotonic.now = 300
    verify(token)
    wait_for_fetch()
    assert verify(token) is first


def test_a_key_that_is_withdrawn_takes_the_remembered_tokens_with_it(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any, other_key: SigningKey
) -> None:
    token = mint()
    verify(token)
    publisher.publish(other_key)
    monotonic.now = 300
    publisher.gate.clear()
    verify(token)
    publisher.gate.set()
    wait_for_fetch()
    with pytest.raises(UnknownKey):
        verify(token)
    assert verify(mint(signed_by=other_key))


def test_a_new_key_is_found_by_its_first_token(
    publisher: Publisher, verify: Verifier, mint: Mint, monotonic: Any, key: SigningKey, other_key: SigningKey
) -> None:
    verify(mint())
    publisher.publish(key, other_key)
    monotonic.now = 30
    assert verify(mint(signed_by=other_key))
    assert verify(mint())
    assert publisher.fetches == 2


def test_unknown_kids_cannot_make_the_verifier_fetch_more_than_three_times_per_cooldown(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any, other_key: SigningKey
) -> None:
    verify(mint())
    unknown = mint(signed_by=other_key)
    for second in range(90):
        monotonic.now = second
        with pytest.raises(UnknownKey):
            verify(unknown)
        wait_for_fetch()
    assert publisher.fetches == 1 + 3 * 3, "at 5, 10, 15, 35, 40, 45, 65, 70 and 75"


def test_a_new_key_is_found_after_made_up_kids(
    publisher: Publisher, verify: Verifier, mint: Mint, monotonic: Any, other_key: SigningKey
) -> None:
    verify(mint())
    monotonic.now = 6
    with pytest.raises(UnknownKey):
        verify(mint(signed_by=SigningKey.generate("EdDSA")))
    publisher.publish(other_key)
    monotonic.now = 12
    assert verify(mint(signed_by=other_key))


def test_an_unknown_kid_waits_for_the_fetch_under_way(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any, other_key: SigningKey
) -> None:
    verify(mint())
    publisher.publish(other_key)
    publisher.gate.clear()
    monotonic.now = 300
    assert cache.refresh_if_due() is None
    under_way = cache.fetch_for_unknown_kid()
    assert under_way is cache.fetch_for_unknown_kid()
    publisher.gate.set()
    assert verify(mint(signed_by=other_key))
    assert publisher.fetches == 2


def test_when_the_last_fetch_failed_an_unknown_kid_is_a_503(
    publisher: Publisher, verify: Verifier, mint: Mint, monotonic: Any, other_key: SigningKey
) -> None:
    verify(mint())
    publisher.answer = Unavailable("down")
    monotonic.now = 30
    for _ in range(2):
        with pytest.raises(Unavailable):
            verify(mint(signed_by=other_key))
    assert publisher.fetches == 2
    assert verify(mint()), "the keys that are known still serve"


@pytest.mark.parametrize(
    "answer",
    [
        *(Unavailable("x"), OSError("x"), b"", b"<html>", b"[]", b"{}", b'{"keys":5}', b'{"keys":[5]}'),
        *(
            b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}',
            b'{"keys":' + b"[" * 100 + b"]" * 100 + b"}",
            b"\xff",
            b"0" * 600_000,
        ),
    ],
    ids=lambda answer: repr(answer)[:24],
)
def test_keys_are_kept_after_any_failure_of_a_fetch(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any, answer: bytes | Exception
) -> None:
    verify(mint())
    publisher.answer = answer
    monotonic.now = 300
    assert verify(mint())
    wait_for_fetch()
    assert verify(mint())


def test_without_keys_every_answer_is_503_and_tries_are_spaced(
    publisher: Publisher, verify: Verifier, mint: Mint, monotonic: Any, key: SigningKey
) -> None:
    publisher.answer = b"garbage"
    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            verify(mint())
        assert refused.value.status == 503
    assert publisher.fetches == 1
    publisher.publish(key)
    monotonic.now = 5
    assert verify(mint())


def test_keys_unconfirmed_for_a_day_are_not_used(
    publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint, monotonic: Any
) -> None:
    token = mint()
    verify(token)
    publisher.answer = Unavailable("blocked by whoever holds a withdrawn key")
    monotonic.now = 86_400
    verify(token)
    wait_for_fetch()
    monotonic.now = 86_405  # at the next try: the day may be exceeded by no more than retry_seconds
    with pytest.raises(Unavailable):
        verify(token)
    monotonic.now = 86_500
    with pytest.raises(Unavailable):
        verify(token)


def test_a_pending_fetch_lost_in_a_fork_is_replaced(publisher: Publisher, cache: KeyCache, monotonic: Any) -> None:
    lost = cache._pending_fetch = Future[None]()  # as a fork leaves it
    monotonic.now = 0
    joined = cache.fetch_for_unknown_kid()
    assert joined is not lost


def test_a_hundred_callers_share_one_flight(
    publisher: Publisher, cache: KeyCache, clock: Any, monotonic: Any, mint: Mint
) -> None:
    publisher.gate.clear()
    verify = AsyncVerifier(ISSUER, "orders", keys=cache, revocation="none", clock=clock, monotonic=monotonic)

    async def crowd() -> list[Any]:
        callers = [asyncio.create_task(verify(mint())) for _ in range(100)]
        impatient = asyncio.create_task(verify(mint()))
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.sleep(0)
        publisher.gate.set()
        await asyncio.gather(impatient, return_exceptions=True)
        return await asyncio.gather(*callers)

    principals = asyncio.run(crowd())
    assert [each.subject for each in principals] == ["ada"] * 100
    assert publisher.fetches == 1


def test_waiting_for_keys_has_an_end(
    publisher: Publisher, verify: Verifier, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.verifier.verifier._WAIT_SECONDS", 0.01)
    publisher.gate.clear()
    with pytest.raises(Unavailable, match="TimeoutError"):
        verify(mint())
    with pytest.raises(Unavailable, match="TimeoutError"):
        verify(mint())
    publisher.gate.set()
    assert publisher.fetches == 1


def test_an_empty_key_set_is_unavailable(publisher: Publisher, cache: KeyCache, verify: Verifier, mint: Mint) -> None:
    publisher.answer = b'{"keys":[]}'
    with pytest.raises(Unavailable, match="publishes no key"):
        verify(mint())


def test_an_unexpected_error_of_a_key_fetch_is_503(publisher: Publisher, verify: Verifier, mint: Mint) -> None:
    publisher.answer = RuntimeError("a mistake of ours")
    with pytest.raises(Refusal) as refused:
        verify(mint())
    assert refused.value.status == 503


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.booleans())
def test_the_next_fetch_is_due_no_earlier_than_the_retry_interval(
    fetched_at: float, tried_at: float, failed: bool
) -> None:
    schedule = KeySchedule(fetched_at=fetched_at, tried_at=tried_at, failed=failed)
    assert schedule.due_at >= tried_at + schedule.retry_seconds
    assert schedule.due_at >= fetched_at + schedule.refresh_seconds
    assert not schedule.can_fetch_unknown_kid(tried_at + schedule.retry_seconds / 2)
    assert schedule.is_usable(fetched_at + schedule.refresh_seconds)

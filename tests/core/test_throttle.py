"""The bucket, its keys, and device cookies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.throttle import (
    Bucket,
    Rate,
    account_key,
    address_key,
    device_key,
    release,
    sign_device_cookie,
    try_reserve,
    verify_device_cookie,
)
from keyturn.core.types import Instant

NOW = Instant(1_700_000_000)
TEN = Rate(10, 900)
KEY = b"k" * 32
NONCE = bytes(range(16))

rates = st.builds(Rate, st.integers(1, 12), st.integers(1, 60))


def burst(bucket: Bucket | None, now: Instant, rate: Rate) -> tuple[int, Bucket]:
    """Return the number of attempts that pass at once, and the remaining bucket."""
    passed = 0
    while (admission := try_reserve("k", bucket, now, rate)).allowed:
        bucket, passed = admission.bucket, passed + 1
    assert admission.bucket is bucket
    return passed, admission.bucket


def test_three_quarters_of_the_limit_pass_at_once_and_the_rest_spread_over_the_window() -> None:
    passed, bucket = burst(None, NOW, TEN)
    assert passed == 8
    refused = try_reserve("k", bucket, NOW, TEN)
    assert refused.retry_after_seconds == 300
    assert not try_reserve("k", bucket, Instant(NOW + 299), TEN).allowed
    assert try_reserve("k", bucket, Instant(NOW + 300), TEN).allowed


def test_a_limit_of_one_is_one_per_window() -> None:
    rate = Rate(1, 60)
    passed, bucket = burst(None, NOW, rate)
    assert passed == 1
    assert try_reserve("k", bucket, NOW, rate).retry_after_seconds == 60


def test_an_allowed_attempt_increments_the_version_and_a_refused_one_does_not() -> None:
    first = try_reserve("k", None, NOW, TEN)
    assert (first.bucket.version, first.bucket.key, first.retry_after_seconds) == (1, "k", 0)
    _, full = burst(first.bucket, NOW, TEN)
    assert try_reserve("k", full, Instant(NOW + 1), TEN).bucket is full


def test_an_empty_bucket_says_so() -> None:
    bucket = try_reserve("k", None, NOW, TEN).bucket
    assert bucket.empty_at == NOW + 300
    assert burst(bucket, Instant(bucket.empty_at), TEN)[0] == 8


def test_a_success_gives_its_attempt_back() -> None:
    reserved = try_reserve("k", None, NOW, TEN).bucket
    returned = release(reserved, NOW, TEN)
    assert (returned.level, returned.version) == (0, 2)


def test_a_late_release_returns_only_the_level_that_has_not_leaked() -> None:
    mine = try_reserve("k", None, NOW, TEN).bucket
    later = Instant(NOW + 200)
    theirs = try_reserve("k", mine, later, TEN).bucket
    assert theirs.level == 100 + 300
    assert release(theirs, NOW, TEN).level == 300
    assert release(try_reserve("k", theirs, Instant(NOW + 900), TEN).bucket, NOW, TEN).level == 300


def test_a_clock_a_little_behind_does_not_let_time_count_twice() -> None:
    _, bucket = burst(None, NOW, TEN)
    for _ in range(500):
        for now in (Instant(NOW - 2), NOW):
            admission = try_reserve("k", bucket, now, TEN)
            assert not admission.allowed
            assert now + admission.retry_after_seconds == NOW + 300


def test_a_bucket_from_a_far_future_clock_does_not_lock_the_account() -> None:
    _, bucket = burst(None, Instant(NOW + 10**8), TEN)
    refused = try_reserve("k", bucket, NOW, TEN)
    assert refused.retry_after_seconds == 300
    assert try_reserve("k", Bucket("k", 300, Instant(NOW + 10**8), 1), NOW, TEN).bucket.updated_at == NOW


def test_a_stricter_policy_waits_no_longer_than_its_own_full_bucket() -> None:
    _, bucket = burst(None, NOW, Rate(100, 3600))
    assert try_reserve("k", bucket, NOW, Rate(5, 60)).retry_after_seconds == 30


@given(rates, st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_no_window_holds_more_failures_than_the_limit(rate: Rate, steps: list[tuple[int, bool]]) -> None:
    now, bucket, failed_at = int(NOW), None, list[int]()
    for gap, succeeds in steps:
        now += gap
        admission = try_reserve("k", bucket, Instant(now), rate)
        bucket = admission.bucket
        if admission.allowed and succeeds:
            bucket = release(bucket, Instant(now), rate)
        elif admission.allowed:
            failed_at.append(now)
        else:
            assert admission.retry_after_seconds >= 1
    for start in failed_at:
        assert sum(start <= at < start + rate.window_seconds for at in failed_at) <= rate.limit


@given(rates, st.integers(0, 200))
def test_an_attempt_after_retry_after_is_allowed(rate: Rate, waited: int) -> None:
    _, bucket = burst(None, NOW, rate)
    now = Instant(NOW + waited)
    told = try_reserve("k", bucket, now, rate)
    assert told.allowed == (told.retry_after_seconds == 0)
    assert try_reserve("k", bucket, Instant(now + told.retry_after_seconds), rate).allowed


def test_a_throttle_key_does_not_contain_the_email() -> None:
    assert "ada" not in account_key("ada@example.com")
    assert "ada" not in device_key("ada@example.com", NONCE)
    assert account_key("ada@example.com") != account_key("bob@example.com")
    assert device_key("ada@example.com", NONCE) != device_key("ada@example.com", bytes(16))
    assert account_key("\ud800").startswith("account:")


@pytest.mark.parametrize(
    "spelling",
    ["ALEXANDRIA", "\u00e1lexandr\u00cda", "alexandria ", "alex\u200bandria", "\uff41lexandria", "alexandri\u0101"],
)
def test_spellings_that_a_database_may_take_for_one_share_a_throttle_key(spelling: str) -> None:
    assert account_key(spelling) == account_key("alexandria")


def test_a_throttle_key_of_a_long_identifier_is_that_of_its_beginning() -> None:
    assert account_key("x" * 1024 + "a\u0301" * 100_000) == account_key("x" * 2000)
    assert account_key("x" * 1023) != account_key("x" * 1024)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "address:203.0.113.7"),
        (" 203.0.113.7 ", "address:203.0.113.7"),
        ("::ffff:203.0.113.7", "address:203.0.113.7"),
        ("2002:cb00:7107::1", "address:203.0.113.7"),
        ("2001:DB8:0:1:ffff::1", "address:2001:db8:0:1::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
    ],
)
def test_an_address_has_one_key_in_all_its_spellings(address: str, key: str) -> None:
    assert address_key(address) == key


@pytest.mark.parametrize(
    "address", ["", "unix:", "203.0.113.7:443", "203.0.113.007", "\u0662.1.1.1", "1", "\ud800", "[::1]"]
)
def test_malformed_addresses_share_one_key(address: str) -> None:
    assert address_key(address) == "address:unknown"


def test_a_device_cookie_opens_for_its_account_only() -> None:
    sealed = sign_device_cookie("ada@example.com", NONCE, KEY)
    assert sealed.startswith("kt_device_")
    assert verify_device_cookie(sealed, "ada@example.com", KEY) == NONCE
    assert verify_device_cookie(sealed, "bob@example.com", KEY) is None
    assert verify_device_cookie(sealed, "ada@example.com", b"x" * 32) is None


def test_a_device_nonce_is_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16"):
        sign_device_cookie("ada@example.com", b"short", KEY)


@given(st.data())
def test_a_changed_device_cookie_is_refused(data: st.DataObject) -> None:
    sealed = sign_device_cookie("ada@example.com", NONCE, KEY)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters().filter(lambda each: each != sealed[at]))
    assert verify_device_cookie(sealed[:at] + other + sealed[at + 1 :], "ada@example.com", KEY) is None
    assert verify_device_cookie(sealed + other, "ada@example.com", KEY) is None


@given(st.text())
def test_any_text_is_no_device_cookie(text: str) -> None:
    assert verify_device_cookie(text, "ada@example.com", KEY) is None

"""Rollover: who signs when, and that no living token ever loses its key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError
from keyturn.tokens import (
    KeyState,
    RolloverPolicy,
    ScheduledKey,
    SigningKey,
    SigningKeySet,
    next_active_at,
    next_rollover_at,
    sign_compact,
    states,
    verify_compact,
)

POOL = [SigningKey.generate("EdDSA", f"k{number}") for number in range(60)]
POLICY = RolloverPolicy(rollover_seconds=100, publish_seconds=20, retired_seconds=30)
NEXT, ACTIVE, RETIRED = KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRED


def scheduled(*moments: int) -> list[ScheduledKey]:
    return [ScheduledKey(POOL[serial], serial, Instant(moment)) for serial, moment in enumerate(moments)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (99, {0: ACTIVE, 1: NEXT, 2: NEXT}),
        (100, {0: ACTIVE, 1: NEXT, 2: NEXT}),
        (199, {0: ACTIVE, 1: NEXT, 2: NEXT}),
        (200, {0: RETIRED, 1: ACTIVE, 2: NEXT}),
        (229, {0: RETIRED, 1: ACTIVE, 2: NEXT}),
        (230, {1: ACTIVE, 2: NEXT}),
        (300, {1: RETIRED, 2: ACTIVE}),
        (10_000, {2: ACTIVE}),
    ],
)
def test_key_states_follow_from_the_time(now: int, expected: dict[int, KeyState]) -> None:
    keys = scheduled(100, 200, 300)
    assert states(keys, Instant(now), 30) == expected
    assert states(reversed(keys), Instant(now), 30) == expected
    assert SigningKeySet(keys, 30).states(Instant(now)) == expected


def test_of_two_keys_of_one_moment_the_later_made_signs() -> None:
    assert states(scheduled(100, 100), Instant(100), 30) == {0: RETIRED, 1: ACTIVE}


def test_no_keys_have_no_states_and_cannot_sign() -> None:
    assert states([], Instant(0), 30) == {}
    with pytest.raises(ConfigurationError, match="no signing key"):
        SigningKeySet([], 30).active(Instant(0))
    assert len(SigningKeySet([], 30).published(Instant(0))) == 0


def test_the_first_key_signs_before_its_activation() -> None:
    keys = SigningKeySet(scheduled(100), 30)
    token = sign_compact(b"{}", keys.active(Instant(95)))
    assert verify_compact(token, keys.published(Instant(95))) == b"{}"


def test_a_next_key_is_due_before_the_active_one_has_served_its_time() -> None:
    assert next_rollover_at([], Instant(7), POLICY) == 7
    assert next_active_at([], Instant(7), POLICY) == 7
    assert next_rollover_at(scheduled(100), Instant(100), POLICY) == 180
    assert next_active_at(scheduled(100), Instant(180), POLICY) == 200
    assert next_rollover_at(scheduled(100, 200), Instant(185), POLICY) is None
    assert next_rollover_at(scheduled(100, 200), Instant(200), POLICY) == 280


def test_after_a_long_pause_the_next_key_is_published_before_it_signs() -> None:
    assert next_rollover_at(scheduled(100), Instant(5000), POLICY) == 180
    assert next_active_at(scheduled(100), Instant(5000), POLICY) == 5020


def test_the_published_key_set_is_reused_until_it_changes() -> None:
    keys = SigningKeySet(scheduled(100, 200), 30)
    assert keys.published(Instant(130)) is keys.published(Instant(199))
    assert keys.published(Instant(200)) is keys.published(Instant(229))
    assert {key.kid for key in keys.published(Instant(150))} == {"k0", "k1"}
    assert {key.kid for key in keys.published(Instant(230))} == {"k1"}
    assert {key.kid for key in keys.published(Instant(150))} == {"k0", "k1"}


def test_an_hmac_secret_verifies_and_is_not_published() -> None:
    secret = SigningKey.generate("HS256", "s")
    keys = SigningKeySet([ScheduledKey(secret, 1, Instant(0))], 30).published(Instant(1))
    assert verify_compact(sign_compact(b"{}", secret), keys) == b"{}"
    assert keys.to_jwks() == {"keys": []}


def test_serials_and_kids_are_unique() -> None:
    with pytest.raises(ConfigurationError, match="serial 1"):
        SigningKeySet([ScheduledKey(POOL[0], 1, Instant(0)), ScheduledKey(POOL[1], 1, Instant(5))], 30)
    with pytest.raises(ConfigurationError, match="kid"):
        SigningKeySet([ScheduledKey(POOL[0], 1, Instant(0)), ScheduledKey(POOL[0], 2, Instant(5))], 30)


def test_a_set_shows_its_schedule_and_no_key() -> None:
    keys = SigningKeySet(scheduled(100), 30)
    assert len(keys) == 1
    assert "active_at=100" in repr(keys)
    assert "*****" in repr(keys)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"rollover_seconds": 0}, "rollover_seconds"),
        ({"publish_seconds": -1}, "publish_seconds"),
        ({"retired_seconds": 1.5}, "retired_seconds"),
        ({"retired_seconds": True}, "retired_seconds"),
        ({"rollover_seconds": 100, "publish_seconds": 100}, "less than"),
    ],
)
def test_an_impossible_rollover_policy_is_refused(wrong: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        RolloverPolicy(**wrong)


def test_a_policy_lists_every_problem_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        RolloverPolicy(0, 0, 0)
    assert len(refused.value.problems) == 3


@given(
    st.builds(RolloverPolicy, st.integers(50, 200), st.integers(5, 49), st.integers(5, 400)),
    st.lists(st.integers(1, 120), min_size=5, max_size=40),
    st.integers(0, 3),
)
def test_every_valid_token_is_verified_with_any_fresh_key_cache(
    policy: RolloverPolicy, steps: list[int], behind: int
) -> None:
    """Try any pattern of wake-ups.

    Tokens live ``retired_seconds`` less the clock skew. Key sets are cached for ``publish_seconds``. The signer's clock
    may be ``behind``.
    """
    keys: list[ScheduledKey] = []
    now, cached_at, cached = 1000, -1000, None
    living: list[tuple[str, int]] = []
    for step in steps:
        now += step
        moment = Instant(now)
        at = next_rollover_at(keys, moment, policy)
        if at is not None and at <= now:
            keys.append(ScheduledKey(POOL[len(keys)], len(keys), next_active_at(keys, moment, policy)))
        issuer = SigningKeySet(keys, policy.retired_seconds)
        if cached is None or now - cached_at >= policy.publish_seconds - behind:
            cached, cached_at = issuer.published(moment), now
        token = sign_compact(b"%d" % now, issuer.active(Instant(now - behind)))
        verify_compact(token, cached)
        living.append((token, now + policy.retired_seconds - behind))
        for each, expires_at in living:
            if now < expires_at:
                verify_compact(each, issuer.published(moment))

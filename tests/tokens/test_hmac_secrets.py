"""Which HMAC secrets are refused; those in key files' clothes are under tests/advisories."""

import base64
import random
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import ConfigurationError
from keyturn.tokens import SigningKey, secret_problem

SIZES = {"HS256": 32, "HS384": 48, "HS512": 64}


def test_random_secrets_in_every_spelling_are_accepted() -> None:
    dice = random.Random(7518)
    for size in SIZES.values():
        for _ in range(300):
            secret = dice.randbytes(size)
            for spelling in (secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
                assert secret_problem(spelling, size) is None


def test_a_fresh_secret_is_accepted() -> None:
    for size in SIZES.values():
        assert secret_problem(secrets.token_bytes(size), size) is None
        assert secret_problem(secrets.token_hex(size).encode(), size) is None


@pytest.mark.parametrize(("algorithm", "size"), SIZES.items())
def test_a_secret_is_at_least_as_long_as_the_hash(algorithm: str, size: int) -> None:
    secret = random.Random(1).randbytes(size)
    assert SigningKey(algorithm, secret).private_bytes() == secret
    with pytest.raises(ConfigurationError, match=f"requires {size}"):
        SigningKey(algorithm, secret[:-1])


@given(
    st.text(alphabet="abc", min_size=32, max_size=40)
    | st.binary(min_size=1, max_size=9).map(lambda part: (part * 40)[:40])
)
def test_few_letters_and_repetitions_are_guessable(secret: str | bytes) -> None:
    assert secret_problem(secret.encode() if isinstance(secret, str) else secret, 32)


def test_a_weak_secret_is_refused_with_advice_and_not_repeated() -> None:
    for secret in (b"hunter2", b"hunter2" * 8, b"your-256-bit-secret" * 2):
        with pytest.raises(ConfigurationError) as refused:
            SigningKey("HS256", secret)
        assert "make one with" in str(refused.value)
        assert "hunter" not in str(refused.value)
        assert "your" not in str(refused.value)


def test_a_secret_counts_once_from_its_second_full_repetition_on() -> None:
    part = random.Random(7518).randbytes(33)
    assert secret_problem(part[:32] * 2, 64)
    assert secret_problem(part + part[:31], 64) is None

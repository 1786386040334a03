"""Weak keys are refused with the reason. The attacks themselves are under tests/advisories."""

from math import prod

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import effort
from keyturn.tokens import secret_problem
from keyturn.tokens.key_checks import ed25519_problem, rsa_problem
from keyturn.tokens.roca import PRIMES, is_roca

P = 2**255 - 19


def _crt(exponents: dict[int, int]) -> int:
    """Return the number that is ``65537 ** exponents[p]`` modulo each p."""
    modulus = prod(exponents)
    parts = (pow(65537, e, p) * (modulus // p) * pow(modulus // p, -1, p) for p, e in exponents.items())
    return sum(parts) % modulus


@given(st.integers(0, 2**64))
def test_a_power_of_65537_is_a_roca_fingerprint(exponent: int) -> None:
    assert is_roca(_crt(dict.fromkeys(PRIMES, exponent)))


def test_a_modulus_with_the_fingerprint_is_refused() -> None:
    residue, step = _crt(dict.fromkeys(PRIMES, 9)), prod(PRIMES)
    modulus = residue + step * (1 << 1840 | (residue + 1) % 2)  # 2048 bits and odd
    assert "ROCA" in str(rsa_problem(modulus, 65537))


def test_exponents_that_disagree_are_no_fingerprint() -> None:
    """Each residue alone is a power of 65537, but no one exponent makes them all: not made by that library."""
    exponents = dict.fromkeys(PRIMES, 7)
    assert is_roca(_crt(exponents))
    assert not is_roca(_crt({**exponents, 163: 8}))


def test_sound_moduli_are_no_fingerprint(modulus: rsa.RSAPrivateKey) -> None:
    assert not is_roca(modulus.public_key().public_numbers().n)


@pytest.mark.parametrize("factor", [2, 3, 167])
def test_a_small_factor_is_refused(modulus: rsa.RSAPrivateKey, factor: int) -> None:
    assert "small factor" in str(rsa_problem(modulus.public_key().public_numbers().n * factor, 65537))


def test_close_primes_are_refused(modulus: rsa.RSAPrivateKey) -> None:
    p = modulus.private_numbers().p
    q = p + 2
    while any(pow(base, q - 1, q) != 1 for base in (2, 3)):
        q += 2
    for other in (p, q):
        assert "too close" in str(rsa_problem(p * other, 65537))


@settings(max_examples=effort(20, 200))
@given(st.binary(min_size=32, max_size=32))
def test_an_ed25519_point_is_judged_as_its_square_root_says(encoded: bytes) -> None:
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    on_curve = any(candidate * candidate % P == square for candidate in (root, root * pow(2, (P - 1) // 4, P) % P))
    assert (ed25519_problem(encoded) is None) == (on_curve and 1 < y < P - 1)


@pytest.mark.parametrize("y", [P + 2, P + 18])
def test_a_y_beyond_the_field_is_refused(y: int) -> None:
    assert "canonical" in str(ed25519_problem(y.to_bytes(32, "little")))


def test_a_key_file_is_no_secret() -> None:
    for start in (
        b"-----BEGIN PUBLIC KEY-----",
        b"ssh-ed25519 AAAA",
        b"ecdsa-sha2-nistp256 AAAA",
        b'{"kty":"RSA","n":"',
    ):
        assert "key file" in str(secret_problem(start + bytes(range(64)), 32))
    der = bytes.fromhex("302a300506032b6570032100") + bytes(range(100, 132))
    assert "key file" in str(secret_problem(der, 32))
    assert "key file" not in str(secret_problem(der + b"\0", 32))  # one octet more than its length says: no DER

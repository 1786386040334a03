"""Signatures that are no signatures: r = s = 0 (CVE-2022-21449), out of range, DER, wrong lengths, malleated."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from keyturn.errors import TokenInvalid
from keyturn.tokens import (
    ALGORITHMS,
    KeySet,
    SigningKey,
    decode_base64url,
    encode_base64url,
    sign_compact,
    verify_compact,
)
from keyturn.tokens.algorithms import Ecdsa

CURVES = [name for name, algorithm in ALGORITHMS.items() if isinstance(algorithm, Ecdsa)]
RSA = [name for name in ALGORITHMS if name[0] in "RP"]
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def refuse(key: SigningKey, signature: bytes, payload: bytes = b"{}") -> None:
    signing_input = sign_compact(payload, key).encode().rpartition(b".")[0]
    with pytest.raises(TokenInvalid):
        verify_compact(signing_input + b"." + encode_base64url(signature), KeySet([key]))


def signature_of(key: SigningKey) -> bytes:
    return decode_base64url(sign_compact(b"{}", key).encode().rpartition(b".")[2])


@pytest.mark.parametrize("name", CURVES)
def test_r_and_s_outside_1_to_n_are_refused(every_key: dict[str, SigningKey], name: str) -> None:
    key, algorithm = every_key[name], ALGORITHMS[name]
    assert isinstance(algorithm, Ecdsa)
    n, width = algorithm.order, algorithm.width
    r, s = (int.from_bytes(half, "big") for half in (signature_of(key)[:width], signature_of(key)[width:]))
    edges = [0, 1, n - 1, n, n + 1, 2 ** (8 * width) - 1]
    pairs = [(a, b) for a in edges for b in edges] + [(0, s), (r, 0), (n, s), (r, n), (s, r)]
    if (r + n).bit_length() <= 8 * width:
        pairs += [(r + n, s), (r, s + n)] if (s + n).bit_length() <= 8 * width else [(r + n, s)]
    for a, b in pairs:
        refuse(key, a.to_bytes(width, "big") + b.to_bytes(width, "big"))


@pytest.mark.parametrize("name", CURVES)
def test_der_and_other_lengths_are_refused(every_key: dict[str, SigningKey], name: str) -> None:
    key, good = every_key[name], signature_of(every_key[name])
    half = len(good) // 2
    r, s = good[:half], good[half:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    lengthened = (
        b"\0" + r + s,
        r + s + b"\0",
        b"\0" + r + b"\0" + s,
        r.lstrip(b"\0")[1:] + s,
        r + s[:-1],
        r,
        b"",
        good + good,
    )
    for other in (der, *lengthened):
        refuse(key, other)


@pytest.mark.parametrize("name", RSA)
def test_rsa_signatures_have_exactly_the_length_of_the_modulus(every_key: dict[str, SigningKey], name: str) -> None:
    """RFC 8017 section 8.2.2 step 1: a number with zeros before it is another text for the same signature."""
    key, good = every_key[name], signature_of(every_key[name])
    modulus = key.verifying_key._public.public_numbers().n
    number = int.from_bytes(good, "big")
    for other in (b"\0" + good, good.lstrip(b"\0")[1:], good + b"\0", (number + modulus).to_bytes(257, "big"), b""):
        refuse(key, other)
    for extreme in (0, 1, modulus - 1, modulus, 2**2048 - 1):
        refuse(key, extreme.to_bytes(256, "big"))


def test_an_rsa_signature_with_its_leading_zeros_dropped_is_refused(every_key: dict[str, SigningKey]) -> None:
    key = every_key["RS256"]
    for number in range(5000):
        token = sign_compact(b"%d" % number, key).encode()
        signature = decode_base64url(token.rpartition(b".")[2])
        if signature[0] == 0:
            assert verify_compact(token, KeySet([key])) == b"%d" % number
            refuse(key, signature[1:], b"%d" % number)
            return
    pytest.fail("no signature began with a zero octet")


def test_ed25519_malleation_is_refused(every_key: dict[str, SigningKey]) -> None:
    """RFC 8032 section 5.1.7: S is below the order; S plus the order is another text for the same signature."""
    key, good = every_key["EdDSA"], signature_of(every_key["EdDSA"])
    s = int.from_bytes(good[32:], "little")
    for times in range(1, 9):
        refuse(key, good[:32] + (s + times * ED25519_ORDER).to_bytes(32, "little"))
    for other in (bytes(64), b"\x01" + bytes(63), good[:32] + bytes(32), bytes(32) + good[32:], b"\xff" * 64):
        refuse(key, other)


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
def test_truncated_codes_are_refused(every_key: dict[str, SigningKey], name: str) -> None:
    """RFC 7518 section 3.2: the whole code, not its beginning."""
    key, good = every_key[name], signature_of(every_key[name])
    for length in range(len(good)):
        refuse(key, good[:length])
    refuse(key, good + b"\0")

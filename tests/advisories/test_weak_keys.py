"""Public keys that anyone can sign for.

ROCA (CVE-2017-15361), Fermat (CVE-2022-26320), small exponents and moduli, low-order points (RFC 8032 section 5.1.7),
points off the curve (RFC 8725 section 3.4, CVE-2015-7940).
"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from keyturn.errors import ConfigurationError
from keyturn.tokens import KeySet, VerifyingKey, encode_base64url

# 2048 bits as RSALib made them: p = k * M + (65537 ** a mod M), M the product of the first 126 primes, twice.
ROCA = int(
    "baaa40d066d6e847cc663412969fe55f0fcf92e843d2030fb498d24fde24eee917ba17a4d4f68d47635100ce5301c54e71f0"
    "07b7d16f8b62670903a18054e9fa0cafc1e9a44eb4cfbf89faf6985002b1ef4de25822f39952fd92317ac2562a75f3fdaed2"
    "2eca26e74d94365b31f459d5c143541e51f1205003dbb0fab0dd7f7b2c8750c2a17d63f6f1b83f583c21532a3b79e88f5c78"
    "0d384a8f7b02ca44ebeb35e2294390c60edb5af62c07bc609d83700ceaf3e1a31cc8136273aba5c7f262bcc0d0ebc3d2088c"
    "80e89a77b791bb006b9223426b5cbebcf0b705321c79de7b436c1b7ea78431d5f98a31d4813c98d2cd163d92009eed5dfa5c"
    "fb717cbb8741",
    16,
)
# 2048 bits of two neighbouring primes.
CLOSE = int(
    "a91093abe1d08ba9637a661080cd26760b907a4b95434df965b6ddfb0cf72d2436f3f9ba6fc0edf9c3277c9fc6e15b4bcb40"
    "9e7067db2600b9028ac6feb6c883fc70789073102d8f086017eccb884a4ab5cd9e7c2788a51850e112e9ad82deff630ce3cb"
    "d907d460f28d217a96fd9828abb637fe08a4462a9f112563c24de734093048b81b772fb14d545d3eabd322aaa17b45d2111c"
    "f86b30417fcfb88e6e3d1fe5661d0750c58ece9a18970dd058742baa10ac5c6bd299efeb3ec8b757fa9997e6dc007f0c5011"
    "aab71b9ca6a666b2b33ea665d3b6017c45fa627182a4cb44dc2cf0eb3087818b13cd6ba3142ed066ec2a64e972f1315d0cf7"
    "b725c7884dcf",
    16,
)

P = 2**255 - 19
ORDER_EIGHT = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
LOW_ORDER = [
    *(value.to_bytes(32, "little") for value in (0, 1, P - 1, P, P + 1)),
    *(bytes.fromhex(text) for text in ORDER_EIGHT),
]


def b64(number: int) -> str:
    return encode_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def refuse(jwk: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        KeySet.from_jwks({"keys": [jwk]})


def refuse_rsa(modulus: int, why: str, exponent: int = 65537) -> None:
    refuse({"kty": "RSA", "alg": "RS256", "kid": "weak", "n": b64(modulus), "e": b64(exponent)}, why)


@pytest.fixture(scope="module")
def sound(modulus: rsa.RSAPrivateKey) -> int:
    return modulus.public_key().public_numbers().n


def test_a_roca_modulus_is_refused() -> None:
    refuse_rsa(ROCA, "ROCA")


@pytest.mark.conforms("ASVS 11.6.1")
def test_neighbouring_primes_are_refused() -> None:
    refuse_rsa(CLOSE, "CVE-2022-26320")


@pytest.mark.parametrize("factor", [2, 3, 5, 97])
def test_an_even_modulus_or_one_with_a_small_factor_is_refused(sound: int, factor: int) -> None:
    refuse_rsa(sound * factor, "small factor|not a public key")


@pytest.mark.parametrize("exponent", [1, 2, 3, 17, 257, 65535, 65536, 65538])
def test_small_and_even_exponents_are_refused(sound: int, exponent: int) -> None:
    """e = 1 makes the message its own signature; e = 3 forged many lax verifiers (CVE-2006-4339)."""
    refuse_rsa(sound, "exponent|not a public key", exponent)


@pytest.mark.parametrize("exponent", [2**64 + 1, 2**256 + 1, 2**2000 + 1])
def test_absurdly_large_exponents_are_refused(sound: int, exponent: int) -> None:
    """A key set from elsewhere must not decide how long a check takes."""
    refuse_rsa(sound, "exponent|not a public key", exponent)


@pytest.mark.parametrize("bits", [512, 1024, 1536, 2040])
def test_short_moduli_are_refused(sound: int, bits: int) -> None:
    refuse_rsa(sound >> (2048 - bits) | 1, "bits|not a public key")


@pytest.mark.parametrize("bits", [8200, 16384, 65536])
def test_long_moduli_are_refused(bits: int) -> None:
    refuse_rsa(1 << (bits - 1) | 1, "denial of service|not a public key")


@pytest.mark.parametrize("encoded", LOW_ORDER, ids=bytes.hex)
@pytest.mark.parametrize("sign", [0, 0x80])
def test_low_order_points_are_refused(encoded: bytes, sign: int) -> None:
    """Under such a key one signature fits many messages. Non-canonical spellings and both signs included."""
    signed = encoded[:31] + bytes([encoded[31] | sign])
    refuse({"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(signed).decode()}, "low order")


@pytest.mark.conforms("RFC 8725 3.4")
def test_a_point_off_the_curve_is_refused() -> None:
    for y in (2, P + 3):
        refuse(
            {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(y.to_bytes(32, "little")).decode()}, "not the canon"
        )
    for x, y in ((0, 0), (1, 1), (2**256 - 1, 2**256 - 1)):
        coordinates = {name: encode_base64url(each.to_bytes(32, "big")).decode() for name, each in (("x", x), ("y", y))}
        refuse({"kty": "EC", "crv": "P-256", **coordinates}, "not a public key")


def test_a_weak_key_is_refused_however_it_is_handed_in() -> None:
    public = rsa.RSAPublicNumbers(65537, ROCA).public_key()
    for algorithm in ("RS256", "PS512"):
        with pytest.raises(ConfigurationError, match="make a new key"):
            VerifyingKey(algorithm, public)

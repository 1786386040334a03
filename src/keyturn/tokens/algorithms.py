"""Signature algorithms of RFC 7518 section 3 and RFC 8037, as functions precomputed once per key.

A ``VerifyFunction`` takes a signature and its signing input, returns True if they match, and never raises. A
``SignFunction`` takes a signing input and returns the signature.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keyturn.errors import ConfigurationError

VerifyFunction: TypeAlias = Callable[[bytes, bytes], bool]
SignFunction: TypeAlias = Callable[[bytes], bytes]
PublicMaterial: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey | bytes
PrivateMaterial: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey | bytes


@dataclass(frozen=True)
class Rsa:
    """RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3 and 3.5)."""

    name: str
    hash: hashes.HashAlgorithm
    padding: padding.AsymmetricPadding
    kty: ClassVar[str] = "RSA"

    def check(self, public: rsa.RSAPublicKey) -> VerifyFunction:
        size, verify, pad, digest = (public.key_size + 7) // 8, public.verify, self.padding, self.hash

        def check(signature: bytes, signing_input: bytes) -> bool:
            if len(signature) != size:  # RFC 8017 section 8.2.2 step 1: no dropped or added leading zeros
                return False
            try:
                verify(signature, signing_input, pad, digest)
            except InvalidSignature:
                return False
            return True

        return check

    def sign(self, private: rsa.RSAPrivateKey) -> SignFunction:
        pad, digest = self.padding, self.hash
        return lambda signing_input: private.sign(signing_input, pad, digest)


@dataclass(frozen=True)
class Ecdsa:
    """ECDSA with raw ``r || s`` signatures (RFC 7518 section 3.4)."""

    name: str
    hash: hashes.HashAlgorithm
    curve: ec.EllipticCurve
    crv: str
    order: int
    kty: ClassVar[str] = "EC"

    @property
    def width(self) -> int:
        """Octets of one coordinate, and of r and of s."""
        return (self.curve.key_size + 7) // 8

    def check(self, public: ec.EllipticCurvePublicKey) -> VerifyFunction:
        width, verify, ecdsa = self.width, public.verify, ec.ECDSA(self.hash)
        size, zero, order = 2 * width, bytes(width), self.order.to_bytes(width, "big")

        def check(signature: bytes, signing_input: bytes) -> bool:
            r, s = signature[:width], signature[width:]
            # CVE-2022-21449: r and s must be in 1..n-1. Big-endian bytes of one length compare like their numbers.
            if len(signature) != size or not (zero < r < order and zero < s < order):
                return False
            try:
                verify(_der_signature(r, s), signing_input, ecdsa)
            except InvalidSignature:
                return False
            return True

        return check

    def sign(self, private: ec.EllipticCurvePrivateKey) -> SignFunction:
        width, ecdsa = self.width, ec.ECDSA(self.hash)

        def sign(signing_input: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(signing_input, ecdsa))
            return r.to_bytes(width, "big") + s.to_bytes(width, "big")

        return sign


@dataclass(frozen=True)
class Eddsa:
    """Ed25519 (RFC 8037 section 3.1)."""

    name: str
    kty: ClassVar[str] = "OKP"

    def check(self, public: Ed25519PublicKey) -> VerifyFunction:
        verify = public.verify

        def check(signature: bytes, signing_input: bytes) -> bool:
            if len(signature) != 64:
                return False
            try:
                verify(signature, signing_input)
            except InvalidSignature:
                return False
            return True

        return check

    def sign(self, private: Ed25519PrivateKey) -> SignFunction:
        return private.sign


@dataclass(frozen=True)
class Hmac:
    """HMAC with SHA-2 (RFC 7518 section 3.2)."""

    name: str
    digest: str
    size: int
    kty: ClassVar[str] = "oct"

    def check(self, secret: bytes) -> VerifyFunction:
        sign, compare = self.sign(secret), hmac.compare_digest

        def check(signature: bytes, signing_input: bytes) -> bool:
            return compare(sign(signing_input), signature)

        return check

    def sign(self, secret: bytes) -> SignFunction:
        # RFC 2104 section 4: both padded keys are hashed once per key. `hmac` copies three contexts per call, this two.
        new_hash = partial(hashlib.new, self.digest)
        size = new_hash().block_size
        padded = (secret if len(secret) <= size else new_hash(secret).digest()).ljust(size, b"\0")
        copy_inner, copy_outer = new_hash(padded.translate(_INNER)).copy, new_hash(padded.translate(_OUTER)).copy

        def sign(signing_input: bytes) -> bytes:
            inner, outer = copy_inner(), copy_outer()
            inner.update(signing_input)
            outer.update(inner.digest())
            return outer.digest()

        return sign


_INNER, _OUTER = (bytes(octet ^ pad for octet in range(256)) for pad in (0x36, 0x5C))  # RFC 2104 section 2

Algorithm: TypeAlias = Rsa | Ecdsa | Eddsa | Hmac

_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
# Curve orders: FIPS 186-5 / SP 800-186 section 3.2.1.
_N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_N384 = int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16)
_N521 = int("01" + "F" * 64 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16)


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), digest.digest_size)  # RFC 7518 section 3.5: salt as long as the hash


ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Rsa("RS256", _SHA256, padding.PKCS1v15()),
        Rsa("RS384", _SHA384, padding.PKCS1v15()),
        Rsa("RS512", _SHA512, padding.PKCS1v15()),
        Rsa("PS256", _SHA256, _pss(_SHA256)),
        Rsa("PS384", _SHA384, _pss(_SHA384)),
        Rsa("PS512", _SHA512, _pss(_SHA512)),
        Ecdsa("ES256", _SHA256, ec.SECP256R1(), "P-256", _N256),
        Ecdsa("ES384", _SHA384, ec.SECP384R1(), "P-384", _N384),
        Ecdsa("ES512", _SHA512, ec.SECP521R1(), "P-521", _N521),
        Eddsa("EdDSA"),
        Hmac("HS256", "sha256", 32),
        Hmac("HS384", "sha384", 48),
        Hmac("HS512", "sha512", 64),
    )
}


def find_algorithm(name: str) -> Algorithm:
    """Return the algorithm named ``name``. Raises :class:`ConfigurationError` for any other name, ``none`` included."""
    if name not in ALGORITHMS:
        names = ", ".join(ALGORITHMS)
        raise ConfigurationError(f"{name!r} is not a supported signature algorithm; choose one of {names}")
    return ALGORITHMS[name]


def verifier_for(algorithm: Algorithm, public: PublicMaterial) -> VerifyFunction:
    """Return the verify function for ``public``. Raises :class:`ConfigurationError` if the key is of another type."""
    match algorithm, public:
        case Rsa(), rsa.RSAPublicKey():
            return algorithm.check(public)
        case Ecdsa(), ec.EllipticCurvePublicKey():
            return algorithm.check(public)
        case Eddsa(), Ed25519PublicKey():
            return algorithm.check(public)
        case Hmac(), bytes():
            return algorithm.check(public)
        case _:
            raise _mismatch(algorithm, public)


def signer_for(algorithm: Algorithm, private: PrivateMaterial) -> SignFunction:
    """Return the sign function for ``private``. Raises :class:`ConfigurationError` if the key is of another type."""
    match algorithm, private:
        case Rsa(), rsa.RSAPrivateKey():
            return algorithm.sign(private)
        case Ecdsa(), ec.EllipticCurvePrivateKey():
            return algorithm.sign(private)
        case Eddsa(), Ed25519PrivateKey():
            return algorithm.sign(private)
        case Hmac(), bytes():
            return algorithm.sign(private)
        case _:
            raise _mismatch(algorithm, private)


def generate_key(algorithm: Algorithm, rsa_bits: int, randomness: Callable[[int], bytes]) -> PrivateMaterial:
    """Generate a private key, or an HMAC secret, for ``algorithm``."""
    match algorithm:
        case Rsa():
            return rsa.generate_private_key(65537, rsa_bits)
        case Ecdsa():
            return ec.generate_private_key(algorithm.curve)
        case Eddsa():
            return Ed25519PrivateKey.generate()
        case _:
            return randomness(algorithm.size)


def _mismatch(algorithm: Algorithm, material: object) -> ConfigurationError:
    # One algorithm per key (RFC 8725 section 3.1). The message never contains key material.
    return ConfigurationError(
        f"{algorithm.name} needs a {algorithm.kty} key, not {type(material).__name__}; choose the matching algorithm"
    )


_OCTETS = [bytes((number,)) for number in range(256)]


def _der_signature(r: bytes, s: bytes) -> bytes:
    """Encode an Ecdsa-Sig-Value (RFC 3279 section 2.2.3); written by hand, for speed."""
    body = _der_integer(r) + _der_integer(s)
    return (b"\x30" if len(body) < 128 else b"\x30\x81") + _OCTETS[len(body)] + body


def _der_integer(octets: bytes) -> bytes:
    significant = octets.lstrip(b"\0")
    if significant[0] > 127:
        return b"\x02" + _OCTETS[len(significant) + 1] + b"\0" + significant
    return b"\x02" + _OCTETS[len(significant)] + significant

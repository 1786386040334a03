"""JSON Web Keys: convert public keys to members (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) and back.

Private and symmetric members are never read or written, except to compute the thumbprint of a secret.
"""

import hashlib
from collections.abc import Mapping
from typing import cast

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keyturn.core.base64url import encode_base64url
from keyturn.errors import ConfigurationError, TokenMalformed
from keyturn.tokens.algorithms import ALGORITHMS, Ecdsa, PublicMaterial
from keyturn.tokens.encoding import decode_base64url

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_CURVES = {algorithm.crv: algorithm for algorithm in ALGORITHMS.values() if isinstance(algorithm, Ecdsa)}
_BY_CURVE_NAME = {algorithm.curve.name: algorithm for algorithm in _CURVES.values()}


def algorithm_of(jwk: Mapping[str, object]) -> str | None:
    """Return the only algorithm of this key, or ``None`` if Keyturn does not support the key (RFC 7517 section 5).

    An RSA key without ``alg`` is used for RS256. The curve of an elliptic curve key determines its algorithm.
    """
    if jwk.get("use", "sig") != "sig" or not _allows_verification(jwk.get("key_ops", ["verify"])):
        return None
    curve = jwk.get("crv")
    match jwk.get("kty"):
        case "RSA":
            default = "RS256"
        case "EC" if isinstance(curve, str) and curve in _CURVES:
            default = _CURVES[curve].name
        case "OKP" if curve == "Ed25519":
            default = "EdDSA"
        case _:
            return None
    name = jwk.get("alg", default)
    return name if isinstance(name, str) and name in ALGORITHMS else None


def _allows_verification(operations: object) -> bool:
    # RFC 7517 section 4.3: an array without duplicates. Others read a null or a repeated member in their own way.
    if not isinstance(operations, list):
        return False
    names = cast("list[object]", operations)
    return "verify" in names and all(names.count(each) == 1 for each in names)


def material_of(jwk: Mapping[str, object]) -> PublicMaterial:
    """Return the public key in ``jwk``, of a type :func:`algorithm_of` supports. Raises :class:`ConfigurationError`."""
    try:
        match jwk["kty"]:
            case "RSA":
                return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
            case "EC":
                return _point(jwk, _CURVES[str(jwk["crv"])])
            case _:
                return Ed25519PublicKey.from_public_bytes(_octets(jwk, "x", 32))
    except (ValueError, UnsupportedAlgorithm) as error:  # a point off the curve, or numbers that are no RSA key
        raise ConfigurationError(f"it is not a public key: {error}") from None


def _point(jwk: Mapping[str, object], algorithm: Ecdsa) -> ec.EllipticCurvePublicKey:
    # RFC 7518 section 6.2.1.2: the full width of the curve, leading zeros included.
    x, y = _octets(jwk, "x", algorithm.width), _octets(jwk, "y", algorithm.width)
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), algorithm.curve)
    return numbers.public_key()


def _octets(jwk: Mapping[str, object], member: str, width: int | None = None) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str):
        raise ConfigurationError(f"its member {member!r} is missing or not a string")
    try:
        octets = decode_base64url(text.encode())
    except (TokenMalformed, UnicodeEncodeError) as error:
        raise ConfigurationError(f"its member {member!r} is not canonical base64url: {error}") from None
    if width is not None and len(octets) != width:
        raise ConfigurationError(f"its member {member!r} has {len(octets)} octets, not {width} (RFC 7518 6.2.1)")
    return octets


def _number(jwk: Mapping[str, object], member: str) -> int:
    octets = _octets(jwk, member)
    if not octets or octets[0] == 0:
        raise ConfigurationError(f"its member {member!r} is empty or starts with a zero octet (RFC 7518 section 6.3.1)")
    return int.from_bytes(octets, "big")


def members_of(public: PublicMaterial) -> dict[str, str]:
    """Return the required members of a key, in the order in which RFC 7638 section 3.2 hashes them.

    For an HMAC key they include the secret: only :func:`thumbprint_of` may use them.
    """
    match public:
        case rsa.RSAPublicKey():
            numbers = public.public_numbers()
            return {"e": _text(numbers.e), "kty": "RSA", "n": _text(numbers.n)}
        case ec.EllipticCurvePublicKey():
            point, algorithm = public.public_numbers(), _BY_CURVE_NAME[public.curve.name]
            x, y = _text(point.x, algorithm.width), _text(point.y, algorithm.width)
            return {"crv": algorithm.crv, "kty": "EC", "x": x, "y": y}
        case Ed25519PublicKey():
            x = encode_base64url(public.public_bytes_raw()).decode()
            return {"crv": "Ed25519", "kty": "OKP", "x": x}
        case _:
            return {"k": encode_base64url(public).decode(), "kty": "oct"}


def thumbprint_of(public: PublicMaterial) -> str:
    """Return the SHA-256 thumbprint of the key (RFC 7638), the default ``kid``."""
    digest = hashlib.sha256(msgspec.json.encode(members_of(public))).digest()
    return encode_base64url(digest).decode()


def published_forms(public: PublicMaterial) -> set[bytes]:
    """Return the encodings in which the numbers of a public key are published, and its thumbprint."""
    texts = [value for name, value in members_of(public).items() if name in {"n", "x", "y"}]
    octets = [decode_base64url(text.encode()) for text in texts]
    decimals = [b"%d" % int.from_bytes(each, "big") for each in octets]
    return {*(text.encode() for text in texts), *octets, *decimals, thumbprint_of(public).encode()}


def _text(number: int, width: int | None = None) -> str:
    octets = number.to_bytes(width or (number.bit_length() + 7) // 8, "big")
    return encode_base64url(octets).decode()

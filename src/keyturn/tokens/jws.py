"""Compact JWS (RFC 7515 section 3.1): strict signing and verification (RFC 8725). JWE is not supported."""

from functools import lru_cache

import msgspec

from keyturn.core.base64url import encode_base64url
from keyturn.core.claims import ACCESS_TYPE
from keyturn.errors import PayloadRefused, Refusal, TokenInvalid, TokenMalformed, UnknownKey
from keyturn.tokens.encoding import decode_base64url
from keyturn.tokens.header import BoundHeader, UnverifiedHeader, media_type, read_header
from keyturn.tokens.keys import SigningKey, VerifyingKey
from keyturn.tokens.keyset import KeySet

MAX_TOKEN_BYTES = 8192
"""Longest token in bytes, checked before decoding: the header size that servers and proxies accept."""


def sign_compact(payload: bytes, key: SigningKey, typ: str = ACCESS_TYPE) -> str:
    """Sign ``payload`` as a compact JWS of type ``typ`` (RFC 8725 section 3.11).

    Raises :class:`PayloadRefused` when the payload is empty or the token would exceed ``MAX_TOKEN_BYTES``.
    """
    if not payload:
        raise PayloadRefused("the payload is empty: detached content (RFC 7515 appendix F) is not supported")
    signing_input = _encode_header(key.algorithm, key.kid, typ) + b"." + encode_base64url(payload)
    token = signing_input + b"." + encode_base64url(key.sign(signing_input))
    if len(token) > MAX_TOKEN_BYTES:
        raise PayloadRefused(f"the token would have {len(token)} bytes; verifiers accept at most {MAX_TOKEN_BYTES}")
    return token.decode("ascii")


@lru_cache(maxsize=64)
def _encode_header(algorithm: str, kid: str, typ: str) -> bytes:
    return encode_base64url(msgspec.json.encode({"alg": algorithm, "kid": kid, "typ": typ}))


def verify_compact(
    token: str | bytes, keys: KeySet, typ: str | None = ACCESS_TYPE, *, max_bytes: int = MAX_TOKEN_BYTES
) -> bytes:
    """Return the payload of a compact JWS of type ``typ``, signed by one of ``keys``. Its claims are not checked.

    ``typ``: the only accepted type, so that no token is used for another purpose (RFC 8725 sections 3.11 and 3.12);
    ``None``: the header must have none.
    ``max_bytes``: checked before decoding.
    Raises only :class:`TokenMalformed`, :class:`TokenInvalid`, or its subclass :class:`UnknownKey` for a ``kid`` that
    is not in ``keys``.
    """
    octets = token.encode("ascii", "replace") if isinstance(token, str) else token
    if type(octets) is not bytes or len(octets) > max_bytes:
        raise _size_or_type_error(octets, max_bytes)
    signing_input, _, encoded_signature = octets.rpartition(b".")
    encoded_header, _, encoded_payload = signing_input.partition(b".")
    if not encoded_payload:
        raise TokenMalformed(
            "the token is not three base64url parts, or has detached content (RFC 7515 section 7.1, appendix F)"
        )
    # More dots, as in a JWE, do not decode.
    payload, signature = decode_base64url(encoded_payload), decode_base64url(encoded_signature)
    cached = keys.headers.get(encoded_header)
    header = _bind(read_header(encoded_header), keys) if cached is None else cached
    if not header.check(signature, signing_input):
        raise TokenInvalid(f"the signature is not valid for key {header.kid!r}")
    if cached is None:  # only after verification: unsigned tokens cannot fill the cache
        keys.cache_header(encoded_header, header)
    if header.typ != typ and (typ is None or header.typ != media_type(typ)):
        raise TokenInvalid(f"typ is {header.typ!r}, not {typ}")
    return payload


def _bind(unverified: UnverifiedHeader, keys: KeySet) -> BoundHeader:
    key = _find_key(unverified, keys)
    if key.algorithm != unverified.alg:  # the key determines the algorithm, never the token (RFC 8725 section 3.1)
        raise TokenInvalid(f"alg {unverified.alg!r} is not the algorithm of key {key.kid!r}")
    return BoundHeader(key.check, key.kid, unverified.typ, key.algorithm)


def _find_key(unverified: UnverifiedHeader, keys: KeySet) -> VerifyingKey:
    key = keys.sole_key(unverified.alg) if unverified.kid is None else keys.find(unverified.kid)
    if key is not None:
        return key
    if unverified.kid is None:
        raise TokenInvalid(f"the token has no kid, and the key set does not have exactly one key for {unverified.alg}")
    raise UnknownKey(f"the key set has no key with the kid {unverified.kid!r}")


def _size_or_type_error(octets: object, max_bytes: int) -> Refusal:
    if not isinstance(octets, bytes):
        return TokenMalformed(f"the token must be str or bytes, not {type(octets).__name__}")
    return TokenMalformed(f"the token has {len(octets)} bytes, of at most {max_bytes}")

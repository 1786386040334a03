"""Compact JWS (RFC 7515 section 3.1): strict signing and verification (RFC 8725). JWE is not supported."""

from functools import lru_cache

import msgspec

from keyturn.errors import PayloadRefused, Refusal, TokenInvalid, TokenMalformed, UnknownKey
from keyturn.tokens.encoding import decode_base64url, encode_base64url
from keyturn.tokens.header import Header, UnverifiedHeader, read_header
from keyturn.tokens.keys import SigningKey, VerifyingKey
from keyturn.tokens.keyset import KeySet

MAX_TOKEN_BYTES = 8192
"""Longest token in bytes, checked before decoding: the header size that servers and proxies accept."""


class VerifiedToken(msgspec.Struct, frozen=True, gc=False):
    """Token with a valid signature by key ``kid``. Its claims have not been checked.

    ``typ``: in lower case, without ``application/``; ``None`` when the header has none.
    """

    payload: bytes
    kid: str
    typ: str | None
    algorithm: str


def sign_compact(payload: bytes, key: SigningKey, typ: str = "at+jwt") -> str:
    """Sign ``payload`` as a compact JWS (default ``typ``: RFC 9068 section 2.1).

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


def verify_compact(token: str | bytes, keys: KeySet, *, max_bytes: int = MAX_TOKEN_BYTES) -> bytes:
    """Return the payload of a compact JWS signed by one of ``keys``. Raises only TokenMalformed or TokenInvalid."""
    return verify_token(token, keys, max_bytes=max_bytes).payload


def verify_token(token: str | bytes, keys: KeySet, *, max_bytes: int = MAX_TOKEN_BYTES) -> VerifiedToken:
    """Verify a compact JWS. Return its payload and ``typ``, and the ``kid`` and algorithm of the key.

    Raises :class:`TokenMalformed`, :class:`TokenInvalid`, or its subclass :class:`UnknownKey` for a ``kid`` that is
    not in ``keys``. ``max_bytes`` is checked before decoding.
    """
    payload, header = parse_and_verify(token, keys, max_bytes)
    return VerifiedToken(payload, header.kid, header.typ, header.algorithm)


def parse_and_verify(token: str | bytes, keys: KeySet, max_bytes: int = MAX_TOKEN_BYTES) -> tuple[bytes, Header]:
    """Verify like :func:`verify_token`; return the payload and the cached header. Written for speed."""
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
    return payload, header


def _bind(unverified: UnverifiedHeader, keys: KeySet) -> Header:
    key = _find_key(unverified, keys)
    if key.algorithm != unverified.alg:  # the key determines the algorithm, never the token (RFC 8725 section 3.1)
        raise TokenInvalid(f"alg {unverified.alg!r} is not the algorithm of key {key.kid!r}")
    return Header(key.check, key.kid, unverified.typ, key.algorithm)


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

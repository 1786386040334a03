"""Strict canonical base64url and strict JSON objects: two spellings of one token would be two tokens.

Everything here raises :class:`keyturn.errors.TokenMalformed` and nothing else.
"""

import binascii
import json
from typing import Any, TypeGuard, cast

import msgspec

from keyturn.errors import TokenMalformed

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MAX_OBJECT_BYTES = 8192
MAX_DEPTH = 8

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
# RFC 4648 section 3.5: by length modulo 4, the last characters whose unused bits are zero. Length 1 never decodes.
_ENDINGS = (ALPHABET, b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode_base64url(octets: bytes) -> bytes:
    """``octets`` in base64url without padding (RFC 7515 section 2)."""
    return binascii.b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=")


def decode_base64url(segment: bytes) -> bytes:
    """The octets of ``segment``; refuses padding, white space, foreign characters and non-canonical trailing bits."""
    if segment.translate(None, ALPHABET):
        raise TokenMalformed("not base64url: a character outside its alphabet")
    return decode_segment(segment)


def decode_segment(segment: bytes) -> bytes:
    """As :func:`decode_base64url`, for a segment whose characters were checked with the whole token's."""
    surplus = len(segment) & 3
    if surplus and segment[-1] not in _ENDINGS[surplus]:
        raise TokenMalformed("base64url is not canonical: trailing bits or length (RFC 4648 section 3.5)")
    return binascii.a2b_base64(segment.translate(_TO_STANDARD) + _PADDING[surplus])


def decode_object(document: bytes, *, max_bytes: int = MAX_OBJECT_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The JSON object in ``document``.

    Refuses anything over ``max_bytes`` before decoding, nesting over ``max_depth``, repeated members at any depth
    (RFC 7515 section 4, RFC 7519 section 4), invalid UTF-8, lone surrogates, NaN and infinities.
    """
    if len(document) > max_bytes:
        raise TokenMalformed(f"a JSON object of {len(document)} bytes; at most {max_bytes} are read")
    found = _parse(document)
    if not _is_object(found):
        raise TokenMalformed("not a JSON object")
    if document.count(b"{") + document.count(b"[") > max_depth and _deeper(found, max_depth):
        raise TokenMalformed(f"JSON nested deeper than {max_depth}")
    # Bytes equal to our own writing of the object can hold no repeated member; anything else is read twice.
    return found if msgspec.json.encode(found) == document else _parse_again(document)


def _parse(document: bytes) -> object:
    try:  # NaN, infinities, lone surrogates, bad UTF-8 and a byte order mark end here (RFC 8259)
        return msgspec.json.decode(document)
    except (ValueError, RecursionError) as error:  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise TokenMalformed(f"not strict JSON: {error}") from None


def _parse_again(document: bytes) -> dict[str, Any]:
    again: dict[str, Any] = json.loads(document, object_pairs_hook=_unique)  # msgspec has judged the syntax
    return again


def _is_object(found: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(found, dict)


def _deeper(value: object, left: int) -> bool:
    if _is_object(value):
        children = list(value.values())
    elif isinstance(value, list):
        children = cast("list[object]", value)
    else:
        return False
    return left == 0 or any(_deeper(child, left - 1) for child in children)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TokenMalformed("a JSON member is repeated (RFC 7515 section 4)")
    return members

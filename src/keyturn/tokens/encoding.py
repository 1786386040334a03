"""Strict canonical base64url and strict JSON objects, so that every token has exactly one encoding.

All functions raise only :class:`keyturn.errors.TokenMalformed`.
"""

import json
from typing import cast

import msgspec

from keyturn.errors import TokenMalformed

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MAX_OBJECT_BYTES = 8192
_MAX_DEPTH = 8

# base64url to base64; all other octets, padding included, to one that no decoder accepts
_TO_STANDARD = bytes.maketrans(ALPHABET + bytes(set(range(256)) - set(ALPHABET)), ALPHABET[:62] + b"+/" + b"!" * 192)
_QUOTE, _PADDING = b'"', (b'"', b'"', b'=="', b'="')
_read_base64 = msgspec.json.Decoder(bytes).decode  # decodes a JSON string of base64 in half the time of binascii
_read_json = msgspec.json.Decoder(dict[str, object]).decode
_write_json = msgspec.json.Encoder().encode
# RFC 4648 section 3.5: by length modulo 4, the last characters whose unused bits are zero. Length 1 never decodes.
_ENDINGS = (ALPHABET, b"", b"AQgw", b"AEIMQUYcgkosw048")


def decode_base64url(segment: bytes) -> bytes:
    """Decode ``segment``; refuse padding, white space, other characters and non-canonical trailing bits."""
    surplus = len(segment) & 3
    if surplus and segment[-1] not in _ENDINGS[surplus]:
        raise TokenMalformed("the base64url is not canonical: trailing bits or length (RFC 4648 section 3.5)")
    try:
        return _read_base64(_QUOTE + segment.translate(_TO_STANDARD) + _PADDING[surplus])
    except ValueError:
        raise TokenMalformed("not base64url: it contains a character outside the alphabet") from None


def decode_object(
    document: bytes, *, max_bytes: int = MAX_OBJECT_BYTES, max_depth: int = _MAX_DEPTH
) -> dict[str, object]:
    """Decode the JSON object in ``document``.

    Refuses documents over ``max_bytes`` before decoding, nesting over ``max_depth``, repeated members at any depth
    (RFC 7515 section 4, RFC 7519 section 4), invalid UTF-8, lone surrogates, NaN and infinities.
    """
    if len(document) > max_bytes:
        raise TokenMalformed(f"the JSON object has {len(document)} bytes, of at most {max_bytes}")
    try:  # fails for NaN, infinities, lone surrogates, invalid UTF-8 and a byte order mark (RFC 8259)
        members = _read_json(document)
    except (ValueError, RecursionError) as error:  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise TokenMalformed(f"not a strict JSON object: {error}") from None
    if document.count(b"{") + document.count(b"[") > max_depth and is_deeper(members, max_depth):
        raise TokenMalformed(f"the JSON object is nested deeper than {max_depth} levels")
    # A document equal to our own encoding of the object has no repeated member. Others are parsed a second time.
    return members if _write_json(members) == document else _parse_strict(document)


def _parse_strict(document: bytes) -> dict[str, object]:
    members: dict[str, object] = json.loads(
        document, object_pairs_hook=_unique_members
    )  # msgspec has checked the syntax
    return members


def is_deeper(value: object, levels: int) -> bool:
    """Return True if a JSON value has objects and arrays nested over ``levels``."""
    if not isinstance(value, dict | list):
        return False
    nested = cast("dict[str, object] | list[object]", value)
    children = nested.values() if isinstance(nested, dict) else nested
    return levels == 0 or any(is_deeper(child, levels - 1) for child in children)


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TokenMalformed("the JSON object has a repeated member (RFC 7515 section 4)")
    return members

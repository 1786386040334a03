"""JOSE header: parsing and validation (RFC 7515 section 4, RFC 8725 section 3)."""

import msgspec

from keyturn.errors import TokenInvalid, TokenMalformed
from keyturn.tokens.algorithms import ALGORITHMS, VerifyFunction
from keyturn.tokens.encoding import decode_base64url, decode_object

MAX_TEXT = 256
"""Longest ``kid``, ``typ`` or ``cty``, in characters."""


class UnverifiedHeader(msgspec.Struct, frozen=True):
    """Parsed header of a token whose signature has not been verified: do not trust it."""

    alg: str
    kid: str | None
    typ: str | None


class BoundHeader(msgspec.Struct, frozen=True):
    """Validated header, bound to a key of one key set."""

    check: VerifyFunction
    kid: str
    typ: str | None
    algorithm: str


def read_header(encoded: bytes) -> UnverifiedHeader:
    """Parse and validate a header segment. Raises TokenMalformed or TokenInvalid.

    ``jwk``, ``jku``, ``x5u`` and ``x5c`` are ignored: a token cannot bring its own key (RFC 8725 section 3.10).
    """
    members = decode_object(decode_base64url(encoded))
    alg, kid, typ, _ = (_text(members, name) for name in ("alg", "kid", "typ", "cty"))
    if alg is None:
        raise TokenMalformed("the header has no alg (RFC 7515 section 4.1.1)")
    if alg not in ALGORITHMS:  # refuses every spelling of none (RFC 8725 section 3.2)
        raise TokenInvalid(f"alg {alg!r} is not supported")
    if "crit" in members or "b64" in members:  # RFC 7515 section 4.1.11, RFC 7797: no extension is supported
        raise TokenInvalid("the header requires an extension (crit, b64), which is not supported")
    if "enc" in members:  # RFC 7516 section 9: the header of an encrypted token
        raise TokenInvalid("the header is that of an encrypted token; only signed tokens are supported")
    return UnverifiedHeader(alg, kid, media_type(typ) if typ else typ)


def _text(members: dict[str, object], name: str) -> str | None:
    if name not in members:
        return None
    text = members[name]
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise TokenMalformed(f"the header's {name} is not a string of at most {MAX_TEXT} characters")
    return text


def media_type(typ: str) -> str:
    """Normalise ``typ``: lower case without ``application/`` (RFC 7515 section 4.1.9), such as ``at+jwt``."""
    lowered = typ.lower()
    subtype = lowered.removeprefix("application/")
    return lowered if "/" in subtype else subtype

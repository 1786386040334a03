"""The claims of an access token as a verifier reads them: strict types, nothing coerced, no member twice."""

from typing import Annotated

import msgspec

from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.errors import TokenInvalid
from keyturn.tokens.encoding import decode_object

Text = Annotated[str, msgspec.Meta(min_length=1)]
NumericDate = Annotated[Instant, msgspec.Meta(ge=0, le=2**53)]
"""A NumericDate every JSON reader agrees on: whole, and within the integers a double holds (RFC 8259 section 6)."""


class Claims(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """``iss``, ``sub``, ``aud``, ``exp`` and ``iat`` must be there (RFC 9068 section 2.2).

    ``sid`` is empty and ``gen`` is -1 where a token has none: such a token cannot be judged against a revocation feed.
    The order is the one Keyturn writes in; see ``read_claims``.
    """

    iss: Text
    sub: Annotated[Subject, msgspec.Meta(min_length=1)]
    aud: str | tuple[str, ...]
    exp: NumericDate
    iat: NumericDate
    jti: str = ""
    client_id: str = ""
    sid: SessionId = SessionId("")
    gen: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1
    scope: str = ""
    auth_time: NumericDate = EPOCH
    acr: str = ""
    amr: tuple[str, ...] = ()
    nbf: NumericDate = EPOCH


_decode = msgspec.json.Decoder(Claims).decode
_encode = msgspec.json.Encoder().encode


def read_claims(payload: bytes) -> Claims:
    """Decode a payload whose signature was good.

    Raises ``TokenMalformed`` when it is not one strict JSON object, ``TokenInvalid`` when a claim has another type.
    """
    try:
        claims = _decode(payload)
    except (ValueError, RecursionError):
        return _read_strictly(payload)
    # Bytes equal to our own writing of the claims hold no repeated member; anything else is read twice.
    return claims if _encode(claims) == payload else _read_strictly(payload)


def _read_strictly(payload: bytes) -> Claims:
    members = decode_object(payload)
    try:
        return msgspec.convert(members, Claims)
    except msgspec.ValidationError as error:
        raise TokenInvalid(f"claims: {error}") from None

"""Access token claims: strict types, no coercion, no duplicate member names."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from keyturn.core.claims import application_claims
from keyturn.core.immutable import EMPTY
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.errors import TokenInvalid
from keyturn.tokens.encoding import decode_object

_Text = Annotated[str, msgspec.Meta(min_length=1)]
NumericDate = Annotated[Instant, msgspec.Meta(ge=0, le=2**53)]
"""NumericDate that every JSON parser reads alike: an integer that a double holds exactly (RFC 8259 section 6)."""


class Claims(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Claims of an access token. The first seven are required (RFC 9068 section 2.2).

    A token without ``client_id`` would escape the revocation of its client.
    Without the claim, ``sid`` is empty and ``gen`` is -1: such a token cannot be checked against a revocation feed.
    ``rot``: counter of the refresh token issued with the token, for its issuer only.
    Fields stand in the order in which Keyturn writes them; see ``read_claims``.
    """

    iss: _Text
    sub: Annotated[Subject, msgspec.Meta(min_length=1)]
    aud: str | tuple[str, ...]
    exp: NumericDate
    iat: NumericDate
    jti: _Text
    client_id: str
    sid: SessionId = SessionId("")
    gen: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1
    scope: str = ""
    auth_time: NumericDate = EPOCH
    acr: str = ""
    amr: tuple[str, ...] = ()
    aud_limited: bool = False
    rot: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    nbf: NumericDate = EPOCH

    @property
    def own_claims(self) -> Mapping[str, object]:
        """The claims that the application set. Immutable."""
        return EMPTY


class _ExtendedClaims(Claims, frozen=True):
    """Claims of an access token that has claims of the application. Never decoded: a token may name such a member."""

    own_claims: Mapping[str, object] = EMPTY  # pyright: ignore[reportIncompatibleMethodOverride]


_decode = msgspec.json.Decoder(Claims).decode
_encode = msgspec.json.Encoder().encode


def read_claims(payload: bytes) -> Claims:
    """Decode a payload whose signature was verified.

    Raises ``TokenMalformed`` if it is not one strict JSON object, ``TokenInvalid`` if a claim has the wrong type.
    """
    try:
        claims = _decode(payload)
    except (ValueError, RecursionError):
        return _read_strict(payload)
    # A payload equal to its own re-encoding has no duplicate member; any other payload is parsed again, strictly.
    return claims if _encode(claims) == payload else _read_strict(payload)


def _read_strict(payload: bytes) -> Claims:
    members = decode_object(payload)
    try:
        claims = msgspec.convert(members, Claims)
    except msgspec.ValidationError as error:
        raise TokenInvalid(f"claims: {error}") from None
    own = application_claims(members)
    return _ExtendedClaims(**msgspec.structs.asdict(claims), own_claims=own) if own else claims

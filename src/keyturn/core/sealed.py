"""Sealed credentials: ``kt_<kind>_<sid>.<counter>.<mac>``, made from the server's secret and the session's seed.

Forging one takes both: a stolen store contains no secret, a stolen secret no seed. The mac field consists of a 7-byte
tag and a 32-byte HMAC-SHA-256. The tag depends on the secret alone, so that garbage is refused without a store query.
"""

import hmac
import re
from binascii import a2b_base64
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Self

from keyturn.core.base64url import encode_base64url
from keyturn.core.session import Seed
from keyturn.core.types import SessionId
from keyturn.errors import ConfigurationError, TokenInvalid, TokenMalformed

MAX_CREDENTIAL_CHARS: Final = 160
"""Longest sealed credential in characters; a longer text is refused without parsing."""

_TAG_BYTES: Final = 7
_FORMAT: Final = re.compile(
    r"kt_([a-z]+)_([A-Za-z0-9_-]{21}[AQgw])\.(0|[1-9][0-9]{0,17})\.([A-Za-z0-9_-]{52})",
    re.ASCII,
)


def key_label(name: str, has_seed: bool) -> bytes:
    """Return the HKDF purpose of a kind's keys. Without a seed, it must not equal another purpose of the secret."""
    return (name if has_seed else f"credential/{name}").encode()


@unique
class CredentialKind(StrEnum):
    """Registry of the kinds of sealed credential. Each has its own key, so that none is accepted as another.

    Each has a unique name of lower-case letters, which is part of the credential, and ``has_seed``: False for a kind
    that belongs to no session. Its key then depends on the server's secret alone.
    """

    has_seed: bool
    label: bytes
    """HKDF purpose of the kind's keys."""

    def __new__(cls, name: str, has_seed: bool = True) -> Self:
        kind = str.__new__(cls, name)
        kind._value_, kind.has_seed = name, has_seed
        kind.label = key_label(name, has_seed)
        return kind

    SESSION = "session"
    REFRESH = "refresh"
    CSRF = "csrf"
    FORM = "form", False


class PlaintextToken(str):
    """Credential in plain text, to be sent to the client.

    A ``str``, so that it can be put into a header or a cookie. Masked in ``repr``, so that tracebacks, debuggers and
    the ``repr`` of enclosing objects do not show it.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """Return the credential as a plain ``str``."""
        return str.__str__(self)

    def __repr__(self) -> str:
        return "PlaintextToken(***)"


class Secrets:
    """Server secret, and previous secrets that are still accepted during a rollover.

    At least 32 bytes each (NIST SP 800-107: as long as the hash). Raises ``ConfigurationError`` for a shorter one.
    """

    __slots__ = ("_tag_keys", "current", "previous")

    def __init__(self, current: bytes, *previous: bytes) -> None:
        if min(map(len, (current, *previous))) < 32:
            raise ConfigurationError("KEYTURN_SECRET must have at least 32 bytes; make one with `openssl rand -hex 32`")
        self.current = current
        self.previous = previous
        self._tag_keys = {each: self.derive(each, b"tag") for each in (current, *previous)}

    @property
    def all(self) -> tuple[bytes, ...]:
        """Accepted secrets, the current one first."""
        return (self.current, *self.previous)

    def tag_key(self, secret: bytes) -> bytes:
        """Return the key of the 7-byte tag for ``secret``."""
        return self._tag_keys[secret]

    @staticmethod
    def derive(secret: bytes, purpose: bytes, salt: bytes = b"") -> bytes:
        """Derive a 32-byte key for ``purpose`` by HKDF-SHA-256 (RFC 5869), one block."""
        pseudorandom_key = hmac.digest(salt or bytes(32), secret, "sha256")
        return hmac.digest(pseudorandom_key, b"keyturn/" + purpose + b"\x01", "sha256")

    def __repr__(self) -> str:
        return f"Secrets(***, previous={len(self.previous)})"


@dataclass(frozen=True, slots=True, repr=False)
class ParsedCredential:
    """Sealed credential with a valid format and tag. Not authenticated until ``verify_mac`` returns True."""

    kind: CredentialKind
    sid: SessionId
    counter: int
    mac: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"ParsedCredential(kind={self.kind.value}, sid={self.sid}, counter={self.counter})"


def seal(kind: CredentialKind, sid: SessionId, counter: int, seed: Seed, secrets: Secrets) -> PlaintextToken:
    """Make the credential of ``kind`` with this ``counter``. Deterministic: same arguments, same credential.

    ``seed``: of the session; empty for a kind without a seed. Raises ``ValueError`` for the other.
    """
    if bool(seed) is not kind.has_seed:
        raise ValueError(f"a {kind.value} credential {'needs a' if kind.has_seed else 'has no'} seed")
    body = f"kt_{kind.value}_{sid}.{counter}."
    mac = _mac(kind, body, seed, secrets.current)
    tag = _tag(body, mac, secrets.tag_key(secrets.current))
    return PlaintextToken(body + encode_base64url(tag + mac).decode())


def parse(text: str, kind: CredentialKind, secrets: Secrets) -> ParsedCredential:
    """Parse a credential of ``kind`` and check its tag, without a store query.

    Raises ``TokenMalformed`` for a wrong format or kind, ``TokenInvalid`` when no accepted secret made the tag.
    """
    match = _FORMAT.fullmatch(text) if len(text) <= MAX_CREDENTIAL_CHARS else None
    # A credential of one kind presented as another is refused by its prefix, before any cryptography.
    if match is None or match[1] != kind:
        raise TokenMalformed(f"not a {kind.value} credential")
    raw = a2b_base64(match[4].replace("-", "+").replace("_", "/"))
    body, tag, mac = text[: match.start(4)], raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    for secret in secrets.all:
        if hmac.compare_digest(tag, _tag(body, mac, secrets.tag_key(secret))):
            return ParsedCredential(kind, SessionId(match[2]), int(match[3]), mac, secret)
    raise TokenInvalid(f"no accepted secret made the tag of this {kind.value} credential")


def verify_mac(credential: ParsedCredential, seed: Seed) -> bool:
    """Return True if the credential was made from ``seed``. Constant time."""
    if bool(seed) is not credential.kind.has_seed:
        return False
    body = f"kt_{credential.kind.value}_{credential.sid}.{credential.counter}."
    return hmac.compare_digest(credential.mac, _mac(credential.kind, body, seed, credential.secret))


def _mac(kind: CredentialKind, body: str, seed: Seed, secret: bytes) -> bytes:
    key = Secrets.derive(secret, kind.label, seed)
    return hmac.digest(key, body.encode(), "sha256")


def _tag(body: str, mac: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body.encode() + mac, "sha256")[:_TAG_BYTES]

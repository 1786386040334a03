"""One-time values: authorization codes, mail links, challenges and proofs. Each is accepted once.

    absent --put--> live --take--> spent --presented again--> replayed

Everything that decides about their states is in this file. A spent value stays in the store until it has expired, as a
mark that names the session it was exchanged for: a second use of an authorization code ends that session
(RFC 6749 section 4.1.2, RFC 9700 section 2.1.1).
"""

import hmac
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

from keyturn.core.base64url import encode_base64url
from keyturn.core.sealed import PlaintextToken, Secrets
from keyturn.core.types import EPOCH, Instant, SessionId, require_name
from keyturn.errors import TokenMalformed

MAX_VALUE_CHARS: Final = 256
"""Longest one-time value in characters; a longer one is refused before it is hashed."""

MAX_PAYLOAD_BYTES: Final = 4096
VALUE_BYTES: Final = 32
_DIGEST_BYTES: Final = 32

MARGIN_SECONDS: Final = 120
"""Time for which a record outlives its expiry: twice the largest leeway, by which two issuers' clocks may differ."""


class OneTimeKind(StrEnum):
    """Kinds of one-time value. Each has its own hash key, so that one kind is never accepted as another."""

    CODE = "code"
    LINK = "link"
    CHALLENGE = "challenge"
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class OneTimeLimits:
    """Limits of a kind: longest lifetime, and most values in the store at once, spent ones included."""

    lifetime_seconds: int
    per_subject: int
    total: int


LIMITS: Final = {
    # RFC 6749 section 4.1.2: a code lives ten minutes at most.
    OneTimeKind.CODE: OneTimeLimits(600, 100, 100_000),
    OneTimeKind.LINK: OneTimeLimits(86_400, 20, 100_000),
    OneTimeKind.CHALLENGE: OneTimeLimits(600, 100, 100_000),
    # RFC 9449 section 11.1: a proof is accepted for a short time, and each request has one.
    OneTimeKind.PROOF: OneTimeLimits(300, 20_000, 1_000_000),
}


@dataclass(frozen=True, slots=True, repr=False)
class OneTimeValue:
    """Stored one-time value.

    ``digest``: keyed hash of the value, 32 bytes. ``subject``: name whose values are counted together; before a login,
    for example a client address. ``payload``: at most 4096 bytes, no secrets. ``uses``: 0 while live, 1 when spent,
    2 when presented again. ``made``: id of the session it was exchanged for, empty while live.
    Raises ``InvalidMember`` for a long subject, ``ValueError`` for an unknown kind or a wrong size.
    """

    kind: OneTimeKind
    digest: bytes
    subject: str
    created_at: Instant
    expires_at: Instant
    payload: bytes = b""
    uses: int = 0
    made: str = ""

    def __post_init__(self) -> None:
        require_name(subject=self.subject)
        OneTimeKind(self.kind)
        if len(self.digest) != _DIGEST_BYTES or len(self.payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"the digest must have {_DIGEST_BYTES} bytes, the payload at most {MAX_PAYLOAD_BYTES}")

    def __repr__(self) -> str:
        return f"OneTimeValue(kind={self.kind.value}, uses={self.uses}, made={self.made!r})"


class OneTimeState(Enum):
    """States of a one-time value. UNCERTAIN: live by one clock and not by another."""

    LIVE = "live"
    SPENT = "spent"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


class InsertOutcome(Enum):
    """Outcomes of an insertion. Only ``STORED`` changes the store."""

    STORED = "stored"
    EXISTS = "exists"
    SUBJECT_FULL = "subject_full"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Insertion:
    """Result of an insertion. ``complete_since``: the store may have lost values that were inserted before."""

    outcome: InsertOutcome
    complete_since: Instant = EPOCH


def one_time_state(value: OneTimeValue, now: Instant, gap_seconds: int) -> OneTimeState:
    """Return the state of a stored value. ``gap_seconds``: by which the latest clock is ahead of ``now``."""
    if value.uses:
        return OneTimeState.SPENT
    if value.expires_at <= now:
        return OneTimeState.EXPIRED
    # A value from the future was put by a clock that was ahead: its expiry proves nothing.
    if value.expires_at <= now + gap_seconds or value.created_at > now + gap_seconds + MARGIN_SECONDS:
        return OneTimeState.UNCERTAIN
    return OneTimeState.LIVE


def spend(value: OneTimeValue, sid: SessionId) -> OneTimeValue:
    """Return a live value as the mark that it was exchanged for the session ``sid``."""
    return replace(value, uses=1, made=sid)


def record_replay(value: OneTimeValue) -> OneTimeValue:
    """Return a mark as presented again."""
    return replace(value, uses=2)


def new_one_time_text(kind: OneTimeKind, random_bytes: bytes) -> PlaintextToken:
    """Make the plain text of a value from 32 random bytes. The prefix lets secret scanners find leaks."""
    return PlaintextToken(f"kt_{kind.value}_{encode_base64url(random_bytes).decode()}")


def one_time_digests(kind: OneTimeKind, text: str, secrets: Secrets) -> tuple[bytes, ...]:
    """Return the keyed hash of a value under each accepted secret, the current one first.

    Raises ``TokenMalformed`` for a value that is empty or too long.
    """
    if not 0 < len(text) <= MAX_VALUE_CHARS:
        raise TokenMalformed(f"not a one-time {kind.value}")
    # JSON may contain lone surrogates: encode them like other characters, instead of failing with status 500.
    octets = text.encode("utf-8", "surrogatepass")
    keys = (Secrets.derive(each, b"one-time/" + kind.value.encode()) for each in secrets.all)
    return tuple(hmac.digest(key, octets, "sha256") for key in keys)

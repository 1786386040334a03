"""Account: the login record of a subject."""

import re
import unicodedata
from dataclasses import dataclass

from keyturn.core.types import Instant, Subject
from keyturn.errors import InvalidMember

MAX_IDENTIFIER_OCTETS = 254
"""Longest identifier in octets. RFC 5321 section 4.5.3.1.3: no address that can receive mail is longer."""

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Default ignorable code points (UAX 44) that ``isprintable`` accepts: two identifiers would look the same (UTS 39)."""


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """Login record of one subject.

    ``version``: compare-and-swap counter of the record. The password hash is masked in ``repr``.
    ``scope``: scopes that a login of the account is granted at most, separated by spaces (RFC 6749 section 3.3).
    ``is_admin``: the account may administer Keyturn itself. Only the command line sets it.
    """

    subject: Subject
    identifier: str
    password_hash: str
    created_at: Instant
    disabled: bool = False
    version: int = 0
    scope: str = ""
    is_admin: bool = False

    def __repr__(self) -> str:
        return f"Account(subject={self.subject!r}, disabled={self.disabled})"


def own_identifier(subject: Subject) -> str:
    """Return the identifier of Keyturn's record of an account of an application; no e-mail address is one."""
    return f"own:{subject}"


def normalise_identifier(text: str) -> str:
    """Return the canonical spelling under which an e-mail address is stored and looked up.

    The text is normalised to NFKC and case-folded (UTS 39). Raises ``InvalidMember`` for any text that is not one
    address of at most 254 octets without spaces or control characters.
    """
    # Normalisation sorts combining marks in quadratic time: a long text is refused before it is normalised.
    if len(text) > 4 * MAX_IDENTIFIER_OCTETS:
        raise InvalidMember("email", f"at most {MAX_IDENTIFIER_OCTETS} bytes long")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
    local, at, domain = folded.rpartition("@")
    if not (local and at and domain) or "@" in local or not _is_printable(folded):
        raise InvalidMember("email", f"one e-mail address of at most {MAX_IDENTIFIER_OCTETS} bytes")
    return folded


def _is_printable(text: str) -> bool:
    # Lone surrogates cannot be stored. Spaces and control characters make two identifiers look the same.
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    visible = text.isprintable() and not any(each.isspace() for each in text) and not _INVISIBLE.search(text)
    return size <= MAX_IDENTIFIER_OCTETS and visible

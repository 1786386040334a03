"""Basic types used by every package, and type checks of arguments."""

from typing import NewType, ParamSpec, TypeVar

from keyturn.errors import InvalidMember

T = TypeVar("T")
P = ParamSpec("P")

Instant = NewType("Instant", int)
"""Point in time: whole seconds since 1970-01-01T00:00:00Z (NumericDate of RFC 7519 without fractions)."""

EPOCH = Instant(0)
"""Earliest instant."""

SessionId = NewType("SessionId", str)
"""Public id of a session, no credential: its subject's partition and 15 random bytes, as 22 base64url characters."""

Subject = NewType("Subject", str)
"""Opaque, stable id of a user or machine (``sub`` of RFC 7519)."""

MAX_NAME_LENGTH = 255
"""Longest name that stores index, in characters: an index entry of PostgreSQL has at most 2,704 bytes."""


def require_type(kind: type, **values: object) -> None:
    """Raise ``TypeError`` naming the first of ``values`` that is not of type ``kind``.

    Otherwise a subject given as ``int`` would be stored and match no account, and a flag given as ``"false"`` would
    be true.
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")


def require_name(**values: object) -> None:
    """Check like ``require_type(str, ...)``; raise ``InvalidMember`` for more than ``MAX_NAME_LENGTH`` characters."""
    require_type(str, **values)
    for member, name in values.items():
        if isinstance(name, str) and len(name) > MAX_NAME_LENGTH:
            raise InvalidMember(member, f"at most {MAX_NAME_LENGTH} characters long")

"""Type checks of arguments, made before anything is done with them."""

from keyturn.errors import InvalidMember


def require_type(kind: type, **given: object) -> None:
    """Raise ``TypeError`` naming the first of ``given`` that is not of type ``kind``.

    Otherwise a subject given as ``int`` would be stored and match no account, and a flag given as ``"false"`` would
    be true.
    """
    for name, value in given.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")


MAX_NAME_LENGTH = 255
"""Longest name in an index, in characters: an index entry of PostgreSQL has at most 2,704 bytes."""


def require_name(**given: object) -> None:
    """Check like ``require_type(str, ...)``; raise ``InvalidMember`` for more than ``MAX_NAME_LENGTH`` characters."""
    require_type(str, **given)
    for member, name in given.items():
        if isinstance(name, str) and len(name) > MAX_NAME_LENGTH:
            raise InvalidMember(member, f"{member} is longer than {MAX_NAME_LENGTH} characters")

"""Typed: what a caller hands in is of the kind it must be, before anything is done with it."""

from keyturn.errors import InvalidMember


def require_type(kind: type, **given: object) -> None:
    """Raises ``TypeError`` naming the first of ``given`` that is not of ``kind``.

    A subject that is an ``int``, or a flag that is a text, would be stored, and mean nobody or the opposite.
    """
    for name, value in given.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")


MAX_NAME_LENGTH = 255
"""Of a name that stores look things up by, in characters: an entry of PostgreSQL's indexes takes 2,704 bytes."""


def require_name(**given: object) -> None:
    """As ``require(str, ...)``. Raises ``InvalidMember`` for a text of more than ``NAME_LENGTH`` characters."""
    require_type(str, **given)
    for member, name in given.items():
        if isinstance(name, str) and len(name) > MAX_NAME_LENGTH:
            raise InvalidMember(member, f"{member} is longer than {MAX_NAME_LENGTH} characters")

"""Typed: what a caller hands in is of the kind it must be, before anything is done with it."""


def require(kind: type, **given: object) -> None:
    """Raises ``TypeError`` naming the first of ``given`` that is not of ``kind``.

    A subject that is an ``int``, or a flag that is a text, would be stored, and mean nobody or the opposite.
    """
    for name, value in given.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")

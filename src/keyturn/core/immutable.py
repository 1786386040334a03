"""Immutable copies of decoded JSON, which several requests may share."""

from collections.abc import Mapping
from typing import Any, NoReturn, cast


class ImmutableMapping(dict[str, Any]):
    """Mapping that cannot be changed. It is a ``dict``, so that JSON encoders take it; equal to any dict like it."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("these claims are shared by several requests and cannot be changed; make a dict of them")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __hash__(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def __copy__(self) -> "ImmutableMapping":
        return self

    def __deepcopy__(self, _memo: object) -> "ImmutableMapping":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (dict(self),)


EMPTY = ImmutableMapping()


def freeze(members: Mapping[str, object]) -> ImmutableMapping:
    """Return an immutable copy of decoded JSON: objects become ``ImmutableMapping``, arrays become tuples."""
    return ImmutableMapping({name: _freeze(value) for name, value in members.items()}) if members else EMPTY


def _freeze(value: object) -> object:
    if isinstance(value, Mapping):
        return freeze(cast("Mapping[str, object]", value))
    if isinstance(value, list | tuple):
        return tuple(map(_freeze, cast("list[object]", value)))
    return value

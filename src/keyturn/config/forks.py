"""What a forked child does with an issuer of its parent: it forgets it, and frees nothing of it."""

import os
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakMethod

_hooks: set[WeakMethod[Callable[[], None]]] = set()
_inherited: list[object] = []


def call_after_fork(method: Callable[[], None]) -> None:
    """Call ``method`` in each forked child, while its object exists."""
    _hooks.add(WeakMethod(method, _hooks.discard))


def keep_inherited(*parts: object) -> None:
    """Keep components of the parent of this process: never used here, never freed, which would close connections."""
    _inherited.append(parts)


def _after_fork_in_child() -> None:
    for hook in [reference() for reference in list(_hooks)]:
        if hook is not None:
            hook()


with suppress(AttributeError):  # platforms without fork
    os.register_at_fork(after_in_child=_after_fork_in_child)

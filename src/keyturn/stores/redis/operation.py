"""An operation on Redis: a generator that yields calls and is sent their answers. It knows nothing of connections,
clusters or ``await``."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from keyturn.stores.redis.scripts import Script

T = TypeVar("T")
Word: TypeAlias = bytes | str | int


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One script, or one command named by ``script``, on keys of one slot.

    ``durable``: acknowledged only when as many replicas have it as the operator asks for. ``before``: words of a
    command ahead of its keys. Keys and arguments may be secret, so ``repr`` leaves them out.
    """

    script: Script | str
    keys: tuple[bytes, ...]
    arguments: tuple[Word, ...] = ()
    durable: bool = False
    prefix: tuple[Word, ...] = ()

    def command_words(self, *, is_cached: bool = True) -> tuple[Word, ...]:
        """The command as it is sent. ``known``: whether Redis has heard of the script before."""
        if isinstance(self.script, str):
            return (self.script, *self.prefix, *self.keys, *self.arguments)
        command, script = ("EVALSHA", self.script.digest) if is_cached else ("EVAL", self.script.source)
        return (command, script, len(self.keys), *self.keys, *self.arguments)


Step: TypeAlias = Call | Sequence[Call]
"""Several calls go to any number of slots at once, in no order; each is answered."""

Operation: TypeAlias = Generator[Step, Any, T]

Run: TypeAlias = Callable[[Operation[Any]], Any]
RunAsync: TypeAlias = Callable[[Operation[Any]], Awaitable[Any]]

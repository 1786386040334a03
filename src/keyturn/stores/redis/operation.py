"""Operations on Redis: generators that yield calls and receive the replies.

An operation is independent of connections, clusters and ``await``.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keyturn.core.types import T
from keyturn.stores.redis.scripts import Script

Word: TypeAlias = bytes | str | int


@dataclass(frozen=True, slots=True, repr=False)
class RedisCall:
    """Call of one script, or of the command named by ``script``, on keys of one slot.

    ``durable``: wait until the configured number of replicas has confirmed the write. ``prefix``: words of a command
    before its keys. ``repr`` omits keys and arguments, because they may be secret.
    """

    script: Script | str
    keys: tuple[bytes, ...]
    arguments: tuple[Word, ...] = ()
    durable: bool = False
    prefix: tuple[Word, ...] = ()

    def command_words(self, *, is_cached: bool = True) -> tuple[Word, ...]:
        """Return the command to send. ``is_cached``: the server has the script, so that its digest is enough."""
        if isinstance(self.script, str):
            return (self.script, *self.prefix, *self.keys, *self.arguments)
        command, script = ("EVALSHA", self.script.digest) if is_cached else ("EVAL", self.script.source)
        return (command, script, len(self.keys), *self.keys, *self.arguments)


RedisStep: TypeAlias = RedisCall | Sequence[RedisCall]
"""One call, or several calls to any slots, which run in no particular order; each one gets a reply."""

RedisOperation: TypeAlias = Generator[RedisStep, Any, T]

Run: TypeAlias = Callable[[RedisOperation[Any]], Any]
RunAsync: TypeAlias = Callable[[RedisOperation[Any]], Awaitable[Any]]

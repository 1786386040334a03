"""Flow: a use case as a generator that says what it needs, one ``Step`` at a time. It never fetches anything.

A flow may be stopped, cancelled or crashed at any ``yield``; what it had asked for by then has happened, nothing else.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One need: call ``verb`` of the port named ``port``. Arguments may be secret, so ``repr`` leaves them out."""

    port: str
    method: str
    arguments: tuple[object, ...] = ()

    def __repr__(self) -> str:
        return f"Step({self.port}.{self.method})"


Flow: TypeAlias = Generator[Call, Any, T]
"""Yields steps, is sent their answers, returns ``T``. ``asks.py`` pins the type of each answer."""


def call(port: str, verb: str, *arguments: object) -> Flow[Any]:
    """One step, as a flow: ``answer = yield from ask("sessions", "load", sid)``."""
    return (yield Call(port, verb, arguments))

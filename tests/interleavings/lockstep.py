"""A real store and the memory store in lockstep: both are asked the same, and must answer the same."""

from collections.abc import Callable, Iterator
from typing import Any

from keyturn.core.account import Account
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import EPOCH
from keyturn.stores.memory import MemoryStore

PORTS = ("sessions", "accounts", "throttles", "log", "one_time")
WRITES = ("insert", "replace", "increment_generation", "raise_not_before", "replace_and_revoke")
NEWS = 1000

Question = tuple[Any, ...]
"""Port, verb, arguments."""


class Diverged(AssertionError):
    """The two did not answer the same."""


class _Both:
    """One port of both stores."""

    def __init__(self, name: str, lockstep: "Lockstep") -> None:
        self._name, self._lockstep = name, lockstep

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            return self._lockstep.ask(self._name, verb, *arguments)

        setattr(self, verb, call)
        return call


class Lockstep:
    """``real``, and a memory store that is told everything ``real`` is told. Who asks is answered what ``real`` says.

    A record that was written is read back at once, and once more when all is over. ``asked``: how often ``real`` was.
    """

    def __init__(self, real: Any) -> None:
        self.real, self.twin = real, MemoryStore()
        self.asked = 0
        self.sessions, self.accounts, self.throttles, self.log, self.one_time = (_Both(name, self) for name in PORTS)
        self._written: dict[Question, None] = {}
        self._read = 0

    def ask(self, port: str, verb: str, *arguments: Any) -> Any:
        """Return the common result of both stores. Raises their common error, or ``Diverged``."""
        said, failure = self._ask(port, verb, arguments)
        if verb in WRITES:
            self._read_back(arguments)
        if failure is not None:
            raise failure
        return said

    def compare(self) -> None:
        """Read everything that was written since this was last called, and the log. Raises ``Diverged``."""
        for port, verb, *arguments in self._written:
            self._ask(port, verb, tuple(arguments))
        self._written.clear()
        self._read = self.ask("log", "after", self._read, NEWS).sequence
        self.ask("log", "sequence")

    def _read_back(self, records: tuple[Any, ...]) -> None:
        for record in records:
            for number, (port, verb, *named) in enumerate(_reads(record)):
                self._written[port, verb, *named] = None
                if number == 0:
                    self._ask(port, verb, tuple(named))

    def _ask(self, port: str, verb: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
        self.asked += 1
        said, failure = _answer(self.real, port, verb, arguments)
        expected, failing = _answer(self.twin, port, verb, arguments)
        if verb == "last_use" and said == EPOCH:
            said = expected  # a store that dates sessions by a clock of its own need not know
        if (said, type(failure)) != (expected, type(failing)):
            raise Diverged(f"{port}.{verb} says {failure or said!r}, and not {failing or expected!r}")
        return said, failure


def _reads(record: object) -> Iterator[Question]:
    """Yield the reads that a write of ``record`` may change, the read of the record first."""
    match record:
        case Session():
            yield "sessions", "load", record.sid
            yield "sessions", "list", record.subject
        case Account():
            yield "accounts", "load", record.subject
            yield "accounts", "find", record.identifier
        case Bucket():
            yield "throttles", "load", record.key
        case GenerationIncrement():
            yield "sessions", "revocation_floor", record.subject, "default"
        case Revocation():
            yield "sessions", "revocation_floor", record.key, record.key


def _answer(store: Any, port: str, verb: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return getattr(getattr(store, port), verb)(*arguments), None
    except Exception as raised:  # both must raise the same
        return None, raised

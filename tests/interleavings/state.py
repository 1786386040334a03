"""The state that flows act on: the memory store and a session cache per process, with snapshots."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from keyturn.core.revocation import Verdict
from keyturn.core.sealed import PlaintextToken
from keyturn.stores.memory import MemoryStore

PLAIN = (str, bytes, int, float, Enum, type, type(None))


_records: dict[int, tuple[Any, Any]] = {}


def freeze(value: Any) -> Any:
    """Return a hashable value that is equal exactly when the originals are."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, PlaintextToken):
        return value.reveal()
    if isinstance(value, BaseException):
        return (type(value).__name__,)
    if is_dataclass(value):
        return _freeze_record(value)
    if isinstance(value, Mapping):
        return frozenset((freeze(key), freeze(each)) for key, each in value.items())
    if isinstance(value, (set, frozenset)):
        return frozenset(map(freeze, value))
    if isinstance(value, (list, tuple)):
        return tuple(map(freeze, value))
    # An object() stands for the revision of a set of revocations, which only verifiers compare.
    return freeze(getattr(value, "__dict__", None))


def _freeze_record(record: Any) -> Any:
    # Records never change, so each is frozen once; holding it keeps its id from being given to another.
    if id(record) not in _records:
        frozen = (type(record).__name__, *(freeze(getattr(record, each.name)) for each in fields(record)))
        _records[id(record)] = (record, frozen)
    return _records[id(record)][1]


class NoSessionCache:
    """A process without a session cache: every read goes to the store."""

    def get(self, sid: str) -> None:
        return None

    def put(self, found: object) -> None:
        return None

    def evict(self, sid: str) -> None:
        return None

    def get_refusal(self, credential: object) -> None:
        return None

    def apply_local(self, entry: object) -> None:
        return None

    def is_suspended(self) -> bool:
        return False

    def cursor(self) -> None:
        return None

    def check(self, *claims: object) -> Verdict:
        return Verdict.UNKNOWN

    def capture(self) -> None:
        return None

    def restore(self, held: None) -> None:
        return None


class SystemState:
    """All state shared between flows. A snapshot copies containers only: the records in them are immutable."""

    def __init__(self, store: MemoryStore | None = None, **session_caches: Any) -> None:
        self.store = store or MemoryStore()
        self.session_caches = session_caches or {"a": NoSessionCache()}

    def parts(self) -> tuple[Any, ...]:
        store = self.store
        memory = store.sessions._memory
        return (
            memory.sessions,
            memory.floors,
            memory.entries,
            store.accounts._accounts,
            store.accounts._subjects,
            store.throttles._buckets,
            store.one_time._values,
            store.one_time._counts,
        )

    def capture(self) -> tuple[Any, ...]:
        memory = self.store.sessions._memory
        session_caches = tuple(session_cache.capture() for session_cache in self.session_caches.values())
        return (tuple(each.copy() for each in self.parts()), memory.sequence, memory.purged, session_caches)

    def restore(self, captured: tuple[Any, ...]) -> None:
        contents, sequence, purged, session_caches = captured
        for part, content in zip(self.parts(), contents, strict=True):
            part.clear()
            part.extend(content) if isinstance(part, list) else part.update(content)
        memory = self.store.sessions._memory
        memory.sequence, memory.purged = sequence, purged
        for session_cache, held in zip(self.session_caches.values(), session_caches, strict=True):
            session_cache.restore(held)

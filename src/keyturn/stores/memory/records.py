"""Attempt counters, signing keys and security events in memory."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from keyturn.core.audit import AuditEvent
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.ports import StoredKey
from keyturn.stores.memory.state import MemoryState
from keyturn.stores.validate import check_storable


@dataclass(frozen=True, slots=True)
class MemoryThrottles:
    """``ThrottleStore`` in memory."""

    _memory: MemoryState
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])

    def load(self, key: str) -> Bucket | None:
        with self._memory.lock:
            return self._buckets.get(key)

    def replace(self, bucket: Bucket) -> bool:
        check_storable(bucket.key, bucket.level, bucket.updated_at, bucket.version)
        with self._memory.lock:
            stored = self._buckets.get(bucket.key)
            if (stored.version if stored else 0) != bucket.version - 1:
                return False
            self._buckets[bucket.key] = bucket
            return True

    def purge(self, now: Instant) -> int:
        with self._memory.lock:
            empty = [key for key, bucket in self._buckets.items() if bucket.empty_at <= now]
            for key in empty:
                del self._buckets[key]
            return len(empty)


@dataclass(frozen=True, slots=True)
class MemoryKeys:
    """``KeyStore`` in memory."""

    _memory: MemoryState
    _keys: dict[int, StoredKey] = field(default_factory=dict[int, StoredKey])

    def list(self) -> Sequence[StoredKey]:
        with self._memory.lock:
            return sorted(self._keys.values(), key=lambda key: key.serial)

    def insert(self, key: StoredKey) -> bool:
        check_storable(key.kid, key.algorithm, key.serial, key.active_at)
        with self._memory.lock:
            if key.serial in self._keys or any(each.kid == key.kid for each in self._keys.values()):
                return False
            self._keys[key.serial] = key
            return True

    def delete(self, kid: str) -> None:
        with self._memory.lock:
            for serial in [each.serial for each in self._keys.values() if each.kid == kid]:
                del self._keys[serial]


@dataclass(frozen=True, slots=True)
class MemoryAudit:
    """``AuditLog`` in memory."""

    _memory: MemoryState
    _events: list[AuditEvent] = field(default_factory=list[AuditEvent])

    def append(self, event: AuditEvent) -> None:
        check_storable(event.at, event.subject, event.sid, event.address, event.detail)
        with self._memory.lock:
            self._events.append(event)

    def recent(self, subject: Subject, limit: int) -> Sequence[AuditEvent]:
        with self._memory.lock:
            newest = (each for each in reversed(self._events) if each.subject == subject)
            return tuple(itertools.islice(newest, limit))

    def purge(self, before: Instant) -> int:
        with self._memory.lock:
            count = len(self._events)
            self._events[:] = [each for each in self._events if each.at >= before]
            return count - len(self._events)

"""One-time values in memory."""

from collections import Counter
from dataclasses import dataclass, field

from keyturn.core.one_time import Insertion, InsertOutcome, OneTimeKind, OneTimeLimits, OneTimeValue
from keyturn.core.types import Instant
from keyturn.stores.memory.state import MemoryState
from keyturn.stores.validate import check_storable

_Values = dict[tuple[OneTimeKind, bytes], OneTimeValue]
_Counts = Counter[tuple[OneTimeKind, str | None]]


@dataclass(frozen=True, slots=True)
class MemoryOneTime:
    """``OneTimeStore`` in memory."""

    _memory: MemoryState
    _values: _Values = field(default_factory=_Values)
    _counts: _Counts = field(default_factory=_Counts)

    def insert(self, value: OneTimeValue, limits: OneTimeLimits, now: Instant) -> Insertion:
        check_storable(value.subject, value.made, value.created_at, value.expires_at, now)
        with self._memory.lock:
            outcome = self._check(value, limits)
            if outcome is InsertOutcome.STORED:
                self._values[value.kind, value.digest] = value
                self._counts.update(_counters(value))
            return Insertion(outcome)

    def load(self, kind: OneTimeKind, digest: bytes) -> OneTimeValue | None:
        with self._memory.lock:
            return self._values.get((kind, digest))

    def replace(self, value: OneTimeValue) -> bool:
        check_storable(value.made)
        with self._memory.lock:
            stored = self._values.get((value.kind, value.digest))
            if stored is None or stored.uses != value.uses - 1:
                return False
            self._values[value.kind, value.digest] = value
            return True

    def purge(self, now: Instant) -> int:
        with self._memory.lock:
            expired = [key for key, value in self._values.items() if value.expires_at <= now]
            for key in expired:
                del self._values[key]
            self._counts.clear()
            self._counts.update(each for value in self._values.values() for each in _counters(value))
            return len(expired)

    def _check(self, value: OneTimeValue, limits: OneTimeLimits) -> InsertOutcome:
        if (value.kind, value.digest) in self._values:
            return InsertOutcome.EXISTS
        total, per_subject = (self._counts[each] for each in _counters(value))
        if total >= limits.total:
            return InsertOutcome.FULL
        return InsertOutcome.SUBJECT_FULL if per_subject >= limits.per_subject else InsertOutcome.STORED


def _counters(value: OneTimeValue) -> tuple[tuple[OneTimeKind, str | None], ...]:
    return (value.kind, None), (value.kind, value.subject)

"""Revocation algebra: revocations that merge by maximum and expire, and the denylist made of them.

Merging is a join of a semilattice: idempotent, commutative and associative. Revocations may therefore arrive twice or
out of order, and every process still reaches the same state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from heapq import heappop, heappush

from keyturn.core.feed import LogCursor, PageExtent
from keyturn.core.log_mark import LogMark
from keyturn.core.types import Instant, SessionId, Subject

ENDED = 2**63 - 1
"""``value`` of a session revocation whose session has ended: no counter reaches it."""


class RevocationKind(StrEnum):
    """Target of a revocation; determines the meaning of ``key`` and ``value``."""

    SESSION = "session"
    """``key``: sid. ``value``: lowest session token counter still valid; ``ENDED`` when the session is revoked."""
    SUBJECT = "subject"
    """``key``: sub. ``value``: lowest generation still valid."""
    CLIENT = "client"
    """``key``: client_id. ``value``: credentials issued before this instant are void."""
    EVERYTHING = "everything"
    """``key``: empty. ``value``: credentials issued before this instant are void."""


class Verdict(Enum):
    """Revocation status of one credential. Never treat ``UNKNOWN`` as ``LIVE`` or as ``REVOKED``."""

    LIVE = "live"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Entry of the revocation log.

    ``expires_at``: all tokens it revokes have expired by then. ``sequence``: assigned by the log; 0 before.
    ``tag``: random number of the entry in a SQL log; see ``LogMark``.
    """

    kind: RevocationKind
    key: str
    value: int
    at: Instant
    expires_at: Instant
    sequence: int = 0
    tag: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class GenerationIncrement:
    """Request to raise a subject's generation by one, which voids all its credentials."""

    subject: Subject
    at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """Revocations after a sequence number.

    ``complete``: False when older ones were purged; the reader must take a snapshot instead.
    ``log_id``: number of the log. A log that lost writes (restored backup, failover) gets a new number, because its
    sequence numbers may be assigned a second time: its readers must take a snapshot, too.
    ``start``, ``end``: the log's marks before the first entry and at ``sequence``; None if the store has none.
    ``suspended_before``: sessions created before are not served, because the log was restored; 0 if all are.
    ``is_restored``: True if the reader holds the mark of an entry that this log has lost.
    """

    entries: tuple[Revocation, ...]
    sequence: int
    complete: bool = True
    log_id: int = field(default=0, compare=False)
    start: LogMark | None = field(default=None, compare=False)
    end: LogMark | None = field(default=None, compare=False)
    is_restored: bool = field(default=False, compare=False)
    suspended_before: int = field(default=0, compare=False)

    def extent(self, after: int, *, is_last: bool = False) -> PageExtent:
        """Return the extent of this page, which was read after the sequence number ``after``."""
        return PageExtent(after, LogCursor(self.log_id, self.sequence), is_last, self.complete)


def is_void(generation: int, issued_at: int, min_generation: int, not_before: int) -> bool:
    """Return True if a credential of this generation, issued at this time, is below one of two lower bounds."""
    return generation < min_generation or issued_at < not_before


def _empty_map() -> dict[str, int]:
    return {}


_MINUTE = 60


@dataclass(slots=True)
class RevocationSet:
    """Denylist of one process. Changed only by ``apply`` and ``expire``; reads no clock.

    ``ended``: sids of ended sessions, as bytes. Nearly all revocations are of this kind, so they are stored as
    compactly as Python allows, grouped by the minute in which they expire.
    ``revision``: another object after every ``apply``. A credential that this set did not revoke is still not revoked
    while ``revision`` is the same object as before that check.
    """

    sequence: int = 0
    ended: set[bytes] = field(default_factory=set[bytes])
    renewed: dict[str, int] = field(default_factory=_empty_map)
    generations: dict[str, int] = field(default_factory=_empty_map)
    clients: dict[str, int] = field(default_factory=_empty_map)
    not_before: int = 0
    revision: object = field(default_factory=object, compare=False)
    _not_before_expires_at: int = 0
    _ended_by_minute: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])
    _later_minutes: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _expires_at: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    _expiry_heap: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])

    def __len__(self) -> int:
        return len(self.ended) + len(self.renewed) + len(self.generations) + len(self.clients)

    def apply(self, entry: Revocation) -> None:
        """Merge one revocation. Merging it again has no effect."""
        if entry.kind is RevocationKind.SESSION and entry.value == ENDED:
            self._end(entry.key.encode(), -(-entry.expires_at // _MINUTE))
        elif entry.kind is RevocationKind.EVERYTHING:
            self.not_before = max(self.not_before, entry.value)
            self._not_before_expires_at = max(self._not_before_expires_at, entry.expires_at)
        else:
            self._raise(entry)
        # After the merge: a thread that still sees the former revision checks the credential again next time.
        self.revision = object()
        # Last: a thread that waits for this sequence (wait_for_sequence) must then find the revocation applied.
        self.sequence = max(self.sequence, entry.sequence)

    def expire(self, now: Instant) -> None:
        """Remove revocations whose tokens have all expired; those of ended sessions up to a minute late."""
        for minute in sorted(each for each in self._ended_by_minute if each * _MINUTE <= now):
            for sid in self._ended_by_minute.pop(minute):
                if self._later_minutes.get(sid, minute) <= minute:
                    self._later_minutes.pop(sid, None)
                    self.ended.discard(sid)
        while self._expiry_heap and self._expiry_heap[0][0] <= now:
            _, kind, key = heappop(self._expiry_heap)
            if self._expires_at.get((kind, key), 0) <= now:
                self._expires_at.pop((kind, key), None)
                self._map_for(RevocationKind(kind)).pop(key, None)

    def entries(self, at: Instant) -> Iterator[Revocation]:
        """Yield the contents as revocations dated ``at``, in no particular order; duplicates are possible."""
        for minute, sids in list(self._ended_by_minute.items()):
            for sid in sids:
                yield Revocation(RevocationKind.SESSION, sid.decode(), ENDED, at, Instant(minute * _MINUTE))
        for (kind, key), until in list(self._expires_at.items()):
            yield Revocation(RevocationKind(kind), key, self._map_for(RevocationKind(kind))[key], at, Instant(until))
        if self.not_before:
            yield Revocation(RevocationKind.EVERYTHING, "", self.not_before, at, Instant(self._not_before_expires_at))

    def min_counter(self, sid: SessionId) -> int:
        """Return the lowest session token counter of ``sid`` that this set does not revoke."""
        return ENDED if sid.encode() in self.ended else self.renewed.get(sid, 0)

    def revokes(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> bool:
        """Return True if an access token with these claims is revoked."""
        return sid.encode() in self.ended or is_void(generation, issued_at, *self.bounds(subject, client_id))

    def bounds(self, subject: str, client_id: str) -> tuple[int, int]:
        """Return the lowest valid generation of ``subject``, and the not-before of ``client_id`` and of everything."""
        return self.generations.get(subject, 0), max(self.not_before, self.clients.get(client_id, 0))

    def _end(self, sid: bytes, minute: int) -> None:
        if sid not in self.ended:
            self.ended.add(sid)
        elif minute > self._later_minutes.get(sid, 0):
            self._later_minutes[sid] = minute
        else:
            return
        self._ended_by_minute.setdefault(minute, []).append(sid)

    def _raise(self, entry: Revocation) -> None:
        values, target = self._map_for(entry.kind), (entry.kind.value, entry.key)
        values[entry.key] = max(entry.value, values.get(entry.key, 0))
        if entry.expires_at > self._expires_at.get(target, 0):
            self._expires_at[target] = entry.expires_at
            heappush(self._expiry_heap, (entry.expires_at, *target))

    def _map_for(self, kind: RevocationKind) -> dict[str, int]:
        return {RevocationKind.SESSION: self.renewed, RevocationKind.SUBJECT: self.generations}.get(kind, self.clients)

"""The revocation algebra: entries that combine by maximum, expire, and answer live, revoked or unknown.

Merging is a join of a semilattice: idempotent, commutative and associative, so entries may arrive twice or out of
order and every holder still agrees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from heapq import heappop, heappush

from keyturn.core.types import Instant, SessionId, Subject

ENDED = 2**63 - 1
"""Value of a session entry whose session has ended: no counter reaches it."""


class RevocationKind(StrEnum):
    """What an entry speaks of, and what its ``value`` means."""

    SESSION = "session"
    """``key``: sid. ``value``: least session-token counter still good; ``ENDED`` when the session is revoked."""
    SUBJECT = "subject"
    """``key``: sub. ``value``: least generation still good."""
    CLIENT = "client"
    """``key``: client_id. ``value``: what was issued before this instant is void."""
    EVERYTHING = "everything"
    """``key``: empty. ``value``: what was issued before this instant is void."""


class Verdict(Enum):
    """What is known of one credential. ``UNKNOWN`` is never to be read as ``LIVE`` nor as ``REVOKED``."""

    LIVE = "live"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revocation. ``sequence`` is given by the log; 0 until then. ``expires_at``: no token it stops lives on."""

    kind: RevocationKind
    key: str
    value: int
    at: Instant
    expires_at: Instant
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class GenerationIncrement:
    """Void what a subject holds: raise the generation by one."""

    subject: Subject
    at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """Entries after a sequence number. ``complete`` is false when older ones were purged: take a snapshot instead.

    ``log``: which log they are of. A log that went back in time (a restored backup, a failover that lost writes) gets
    another number: its sequence numbers may be given out a second time, so whoever follows it takes a snapshot, too.
    """

    entries: tuple[Revocation, ...]
    sequence: int
    complete: bool = True
    log_id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class LogCursor:
    """How far a reader has followed a revocation log: everything up to ``sequence`` of the log numbered ``log``."""

    log_id: int
    sequence: int


def _values() -> dict[str, int]:
    return {}


_MINUTE = 60


@dataclass(slots=True)
class RevocationSet:
    """The denylist as one process holds it. Changed only by ``apply`` and ``expire``; no clock inside.

    ``ended``: sids, as bytes. Nearly all entries are of that kind, so those are kept in as little room as Python has
    for them, by the minute in which they may be forgotten.
    """

    sequence: int = 0
    ended: set[bytes] = field(default_factory=set[bytes])
    renewed: dict[str, int] = field(default_factory=_values)
    generations: dict[str, int] = field(default_factory=_values)
    clients: dict[str, int] = field(default_factory=_values)
    not_before: int = 0
    _everything_until: int = 0
    _ends: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])
    _later: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _until: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    _expiries: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])

    def __len__(self) -> int:
        return len(self.ended) + len(self.renewed) + len(self.generations) + len(self.clients)

    def apply(self, entry: Revocation) -> None:
        """Merge one entry; harmless when it is old news."""
        if entry.kind is RevocationKind.SESSION and entry.value == ENDED:
            self._end(entry.key.encode(), -(-entry.expires_at // _MINUTE))
        elif entry.kind is RevocationKind.EVERYTHING:
            self.not_before = max(self.not_before, entry.value)
            self._everything_until = max(self._everything_until, entry.expires_at)
        else:
            self._raise(entry)
        # Last: whoever reads in another thread that it has come (at_least) must find what it ended.
        self.sequence = max(self.sequence, entry.sequence)

    def expire(self, now: Instant) -> None:
        """Forget entries whose tokens are all dead, ended sessions up to a minute late."""
        for minute in sorted(each for each in self._ends if each * _MINUTE <= now):
            for sid in self._ends.pop(minute):
                if self._later.get(sid, minute) <= minute:
                    self._later.pop(sid, None)
                    self.ended.discard(sid)
        while self._expiries and self._expiries[0][0] <= now:
            _, kind, key = heappop(self._expiries)
            if self._until.get((kind, key), 0) <= now:
                self._until.pop((kind, key), None)
                self._map_for(RevocationKind(kind)).pop(key, None)

    def entries(self, at: Instant) -> Iterator[Revocation]:
        """All that is held, as entries dated ``at``; the order says nothing, and one may come twice."""
        for minute, sids in list(self._ends.items()):
            for sid in sids:
                yield Revocation(RevocationKind.SESSION, sid.decode(), ENDED, at, Instant(minute * _MINUTE))
        for (kind, key), until in list(self._until.items()):
            yield Revocation(RevocationKind(kind), key, self._map_for(RevocationKind(kind))[key], at, Instant(until))
        if self.not_before:
            yield Revocation(RevocationKind.EVERYTHING, "", self.not_before, at, Instant(self._everything_until))

    def min_counter(self, sid: SessionId) -> int:
        """Least session-token counter of ``sid`` still good, as far as this set knows."""
        return ENDED if sid.encode() in self.ended else self.renewed.get(sid, 0)

    def revokes(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> bool:
        """Whether an access token with these claims is revoked."""
        return (
            sid.encode() in self.ended
            or generation < self.generations.get(subject, 0)
            or issued_at < self.not_before
            or issued_at < self.clients.get(client_id, 0)
        )

    def _end(self, sid: bytes, minute: int) -> None:
        if sid not in self.ended:
            self.ended.add(sid)
        elif minute > self._later.get(sid, 0):
            self._later[sid] = minute
        else:
            return
        self._ends.setdefault(minute, []).append(sid)

    def _raise(self, entry: Revocation) -> None:
        shelf, named = self._map_for(entry.kind), (entry.kind.value, entry.key)
        shelf[entry.key] = max(entry.value, shelf.get(entry.key, 0))
        if entry.expires_at > self._until.get(named, 0):
            self._until[named] = entry.expires_at
            heappush(self._expiries, (entry.expires_at, *named))

    def _map_for(self, kind: RevocationKind) -> dict[str, int]:
        return {RevocationKind.SESSION: self.renewed, RevocationKind.SUBJECT: self.generations}.get(kind, self.clients)

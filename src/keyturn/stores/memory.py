"""The reference store: everything in this process, under one lock, gone when it ends.

For tests, examples and trying things out. What every other store must do, this one does in the plainest way.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent
from keyturn.core.instant import NEVER, Instant, SessionId, Subject
from keyturn.core.revocation import Entry, Kind, Page, Voiding
from keyturn.core.session import Found, Marks, Session
from keyturn.core.throttle import Bucket
from keyturn.errors import BadRequest
from keyturn.ports import StoredKey
from keyturn.stores.sink import Sink


@dataclass(slots=True)
class _Memory:
    """What is held. Whoever reads or writes it holds ``lock``."""

    lock: RLock = field(default_factory=RLock)
    sessions: dict[SessionId, Session] = field(default_factory=dict[SessionId, Session])
    marks: dict[tuple[Kind, str], int] = field(default_factory=dict[tuple[Kind, str], int])
    entries: list[Entry] = field(default_factory=list[Entry])
    sequence: int = 0
    purged: int = 0
    sinks: list[Sink] = field(default_factory=list[Sink])

    def marks_of(self, subject: str, client_id: str) -> Marks:
        raised = self.marks.get
        not_before = max(raised((Kind.CLIENT, client_id), NEVER), raised((Kind.EVERYTHING, ""), NEVER))
        return Marks(raised((Kind.SUBJECT, subject), 0), Instant(not_before))

    def found(self, session: Session) -> Found:
        return Found(session, self.marks_of(session.subject, session.client.client_id))

    def stands(self, session: Session, subject: Subject) -> bool:
        stored = self.sessions.get(session.sid)
        generation = self.marks.get((Kind.SUBJECT, subject), 0)
        swaps = stored is not None and stored.version == session.version - 1
        return swaps and session.subject == subject and session.generation == generation

    def append(self, entry: Entry) -> Entry:
        self.sequence += 1
        appended = replace(entry, sequence=self.sequence)
        self.entries.append(appended)
        for sink in self.sinks:
            sink.apply(appended)
        return appended

    def void(self, voiding: Voiding) -> Entry:
        named = (Kind.SUBJECT, voiding.subject)
        previous = self.marks.get(named, 0)
        self.marks[named] = previous + 1
        kept = self.sessions.get(voiding.keep) if voiding.keep else None
        if kept and kept.subject == voiding.subject and kept.generation == previous and kept.ended_at is None:
            self.sessions[kept.sid] = replace(kept, generation=previous + 1, version=kept.version + 1)
        return self.append(Entry(Kind.SUBJECT, voiding.subject, previous + 1, voiding.at, voiding.expires_at))


def _storable(*texts: str) -> None:
    # A lone surrogate reaches us from JSON; no database can hold it, so the reference refuses it too.
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise BadRequest("text with a lone surrogate") from None


@dataclass(frozen=True, slots=True)
class MemorySessions:
    """``SessionStore`` in memory."""

    _memory: _Memory

    def insert(self, session: Session) -> None:
        client = session.client
        _storable(session.sid, session.subject, session.scope, client.client_id, client.label, client.address)
        with self._memory.lock:
            if session.sid in self._memory.sessions:
                raise ValueError("session id taken")
            self._memory.sessions[session.sid] = session

    def load(self, sid: SessionId) -> Found | None:
        with self._memory.lock:
            session = self._memory.sessions.get(sid)
            return None if session is None else self._memory.found(session)

    def marks(self, subject: Subject, client_id: str) -> Marks:
        with self._memory.lock:
            return self._memory.marks_of(subject, client_id)

    def replace(self, session: Session, entry: Entry | None = None) -> int | None:
        with self._memory.lock:
            stored = self._memory.sessions.get(session.sid)
            if stored is None or stored.version != session.version - 1:
                return None
            self._memory.sessions[session.sid] = session
            return 0 if entry is None else self._memory.append(entry).sequence

    def void(self, voiding: Voiding) -> Entry:
        with self._memory.lock:
            return self._memory.void(voiding)

    def mark(self, entry: Entry) -> Entry:
        if entry.kind not in (Kind.CLIENT, Kind.EVERYTHING):
            raise ValueError("only a client or everything has a not-before")
        with self._memory.lock:
            named = (entry.kind, entry.key)
            self._memory.marks[named] = max(entry.value, self._memory.marks.get(named, 0))
            return self._memory.append(entry)

    def list(self, subject: Subject) -> Sequence[Found]:
        with self._memory.lock:
            standing = [
                self._memory.found(each)
                for each in self._memory.sessions.values()
                if each.subject == subject and each.ended_at is None
            ]
        return sorted(standing, key=lambda found: (-found.session.created_at, found.session.sid))

    def purge(self, now: Instant) -> int:
        memory = self._memory
        with memory.lock:
            over = [sid for sid, each in memory.sessions.items() if each.expires_at <= now]
            for sid in over:
                del memory.sessions[sid]
            gone = [each.sequence for each in memory.entries if each.expires_at <= now]
            memory.purged = max(memory.purged, *gone, 0)
            memory.entries[:] = [each for each in memory.entries if each.expires_at > now]
            return len(over)


@dataclass(frozen=True, slots=True)
class MemoryLog:
    """``RevocationLog`` in memory; ``subscribe`` makes it a feed that is never late."""

    _memory: _Memory

    def after(self, sequence: int, limit: int) -> Page:
        memory = self._memory
        with memory.lock:
            newer = (each for each in memory.entries if each.sequence > sequence)
            entries = tuple(itertools.islice(newer, limit))
            complete = memory.purged <= sequence <= memory.sequence
            return Page(entries, entries[-1].sequence if entries else sequence, complete)

    def snapshot(self) -> Page:
        with self._memory.lock:
            return Page(tuple(self._memory.entries), self._memory.sequence)

    def sequence(self) -> int:
        with self._memory.lock:
            return self._memory.sequence

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Pour every entry into ``sink`` before the call that appended it returns. Answers how to stop."""
        memory = self._memory
        with memory.lock:
            sink.reset(self.snapshot())
            # Entries arrive inside the revoking call itself, so this feed cannot grow old.
            sink.confirm(float("inf"))
            memory.sinks.append(sink)

        def stop() -> None:
            with memory.lock:
                memory.sinks.remove(sink)

        return stop


@dataclass(frozen=True, slots=True)
class MemoryAccounts:
    """``AccountStore`` in memory."""

    _memory: _Memory
    _accounts: dict[Subject, Account] = field(default_factory=dict[Subject, Account])
    _subjects: dict[str, Subject] = field(default_factory=dict[str, Subject])

    def insert(self, account: Account) -> bool:
        _storable(account.subject, account.identifier, account.password_hash)
        with self._memory.lock:
            if account.identifier in self._subjects or account.subject in self._accounts:
                return False
            self._accounts[account.subject] = account
            self._subjects[account.identifier] = account.subject
            return True

    def find(self, identifier: str) -> Account | None:
        with self._memory.lock:
            subject = self._subjects.get(identifier)
            return None if subject is None else self._accounts[subject]

    def load(self, subject: Subject) -> Account | None:
        with self._memory.lock:
            return self._accounts.get(subject)

    def replace(self, account: Account) -> bool:
        with self._memory.lock:
            stored = self._accounts.get(account.subject)
            if stored is None or stored.version != account.version - 1:
                return False
            if self._subjects.get(account.identifier, account.subject) != account.subject:
                return False
            del self._subjects[stored.identifier]
            self._subjects[account.identifier] = account.subject
            self._accounts[account.subject] = account
            return True

    def replace_and_void(self, account: Account, voiding: Voiding, kept: Session | None = None) -> Entry | None:
        with self._memory.lock:
            if kept and not self._memory.stands(kept, voiding.subject):
                return None
            if not self.replace(account):
                return None
            entry = self._memory.void(voiding)
            if kept:
                self._memory.sessions[kept.sid] = replace(kept, generation=entry.value)
            return entry


@dataclass(frozen=True, slots=True)
class MemoryThrottles:
    """``ThrottleStore`` in memory."""

    _memory: _Memory
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])

    def load(self, key: str) -> Bucket | None:
        with self._memory.lock:
            return self._buckets.get(key)

    def replace(self, bucket: Bucket) -> bool:
        _storable(bucket.key)
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

    _memory: _Memory
    _keys: dict[int, StoredKey] = field(default_factory=dict[int, StoredKey])

    def list(self) -> Sequence[StoredKey]:
        with self._memory.lock:
            return sorted(self._keys.values(), key=lambda key: key.serial)

    def insert(self, key: StoredKey) -> bool:
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

    _memory: _Memory
    _events: list[AuditEvent] = field(default_factory=list[AuditEvent])

    def append(self, event: AuditEvent) -> None:
        _storable(event.subject, event.sid, event.address, event.detail)
        with self._memory.lock:
            self._events.append(event)

    def recent(self, subject: Subject, limit: int) -> Sequence[AuditEvent]:
        with self._memory.lock:
            newest = (each for each in reversed(self._events) if each.subject == subject)
            return tuple(itertools.islice(newest, limit))


class MemoryStore:
    """Every port of a store, in memory."""

    def __init__(self) -> None:
        memory = _Memory()
        self.sessions = MemorySessions(memory)
        self.accounts = MemoryAccounts(memory)
        self.log = MemoryLog(memory)
        self.throttles = MemoryThrottles(memory)
        self.keys = MemoryKeys(memory)
        self.audit = MemoryAudit(memory)

    def close(self) -> None:
        """Nothing to let go of; every store has this door."""

"""Sessions and the revocation log in memory."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keyturn.core.log_mark import LogMark
from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationKind, RevocationPage
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.ports import MAX_LISTED
from keyturn.stores.memory.state import MemoryState
from keyturn.stores.revocation_sink import RevocationSink
from keyturn.stores.validate import check_storable, check_storable_session


@dataclass(frozen=True, slots=True)
class MemorySessions:
    """``SessionStore`` in memory."""

    _memory: MemoryState

    def insert(self, session: Session) -> None:
        check_storable_session(session)
        with self._memory.lock:
            if session.sid in self._memory.sessions:
                raise ValueError("session id taken")
            self._memory.sessions[session.sid] = session

    def load(self, sid: SessionId) -> LoadedSession | None:
        with self._memory.lock:
            session = self._memory.sessions.get(sid)
            return None if session is None else self._memory.as_loaded(session)

    def revocation_floor(self, subject: Subject, client_id: str) -> RevocationFloor:
        with self._memory.lock:
            return self._memory.revocation_floor(subject, client_id)

    def replace(self, session: Session, entry: Revocation | None = None) -> int | None:
        check_storable_session(session)
        with self._memory.lock:
            stored = self._memory.sessions.get(session.sid)
            if stored is None or stored.version != session.version - 1:
                return None
            self._memory.sessions[session.sid] = session
            return 0 if entry is None else self._memory.append(entry).sequence

    def wait_durable(self, session: Session) -> bool:
        loaded = self.load(session.sid)
        return loaded is not None and loaded.session.version == session.version

    def increment_generation(self, increment: GenerationIncrement) -> Revocation:
        check_storable(increment.subject, increment.at, increment.expires_at)
        with self._memory.lock:
            return self._memory.increment_generation(increment)

    def raise_not_before(self, entry: Revocation) -> Revocation:
        check_storable(entry.key, entry.value, entry.at, entry.expires_at)
        if entry.kind not in (RevocationKind.CLIENT, RevocationKind.EVERYTHING):
            raise ValueError("a not-before needs the kind CLIENT or EVERYTHING")
        with self._memory.lock:
            key = (entry.kind, entry.key)
            self._memory.floors[key] = max(entry.value, self._memory.floors.get(key, 0))
            return self._memory.append(entry)

    def last_use(self, client_id: str | None) -> Instant:
        with self._memory.lock:
            sessions = self._memory.sessions.values()
            uses = (each.last_seen_at for each in sessions if client_id in (None, each.client.client_id))
            return max(uses, default=EPOCH)

    def list(self, subject: Subject) -> Sequence[LoadedSession]:
        with self._memory.lock:
            active = [
                self._memory.as_loaded(each)
                for each in self._memory.sessions.values()
                if each.subject == subject and each.ended_at is None
            ]
        return sorted(active, key=lambda loaded: (-loaded.session.created_at, loaded.session.sid))[:MAX_LISTED]

    def purge(self, now: Instant) -> int:
        memory = self._memory
        with memory.lock:
            expired = [sid for sid, each in memory.sessions.items() if each.expires_at <= now]
            for sid in expired:
                del memory.sessions[sid]
            purged_sequences = [each.sequence for each in memory.entries if each.expires_at <= now]
            memory.purged = max(memory.purged, *purged_sequences, 0)
            memory.entries[:] = [each for each in memory.entries if each.expires_at > now]
            return len(expired)


@dataclass(frozen=True, slots=True)
class MemoryLog:
    """``RevocationLog`` in memory. ``subscribe`` turns it into a feed without delay."""

    _memory: MemoryState

    def after(self, sequence: int, limit: int) -> RevocationPage:
        memory = self._memory
        with memory.lock:
            newer = (each for each in memory.entries if each.sequence > sequence)
            entries = tuple(itertools.islice(newer, limit))
            complete = memory.purged <= sequence <= memory.sequence
            return RevocationPage(entries, entries[-1].sequence if entries else sequence, complete, memory.log_id)

    def snapshot(self) -> RevocationPage:
        with self._memory.lock:
            return RevocationPage(tuple(self._memory.entries), self._memory.sequence, log_id=self._memory.log_id)

    def sequence(self) -> int:
        with self._memory.lock:
            return self._memory.sequence

    def mark_restored(self, known: LogMark, now: Instant) -> bool:
        """Return False: nothing in memory is restored."""
        return False

    def clock(self) -> None:
        """Return None: the store's clock is this machine's."""

    def subscribe(self, sink: RevocationSink) -> Callable[[], None]:
        """Apply every entry to ``sink`` before the appending call returns. Return a function to unsubscribe."""
        memory = self._memory
        with memory.lock:
            sink.reset(self.snapshot())
            # Entries are applied within the revoking call, so this feed cannot become stale.
            sink.mark_complete(float("inf"))
            memory.sinks.append(sink)

        def stop() -> None:
            with memory.lock:
                memory.sinks.remove(sink)

        return stop

"""State of a memory store, and the operations that several of its ports share."""

import secrets
from dataclasses import dataclass, field, replace
from threading import RLock

from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.ports import LOG_BITS
from keyturn.stores.revocation_sink import RevocationSink


@dataclass(slots=True)
class MemoryState:
    """State of a memory store. Hold ``lock`` for every read and write."""

    lock: RLock = field(default_factory=RLock)
    sessions: dict[SessionId, Session] = field(default_factory=dict[SessionId, Session])
    floors: dict[tuple[RevocationKind, str], int] = field(default_factory=dict[tuple[RevocationKind, str], int])
    entries: list[Revocation] = field(default_factory=list[Revocation])
    sequence: int = 0
    purged: int = 0
    log_id: int = field(default_factory=lambda: secrets.randbits(LOG_BITS))
    sinks: list[RevocationSink] = field(default_factory=list[RevocationSink])

    def revocation_floor(self, subject: str, client_id: str) -> RevocationFloor:
        floor_of = self.floors.get
        not_before = max(
            floor_of((RevocationKind.CLIENT, client_id), EPOCH), floor_of((RevocationKind.EVERYTHING, ""), EPOCH)
        )
        return RevocationFloor(floor_of((RevocationKind.SUBJECT, subject), 0), Instant(not_before))

    def as_loaded(self, session: Session) -> LoadedSession:
        return LoadedSession(session, self.revocation_floor(session.subject, session.client.client_id))

    def can_keep(self, session: Session, subject: Subject) -> bool:
        stored = self.sessions.get(session.sid)
        generation = self.floors.get((RevocationKind.SUBJECT, subject), 0)
        can_swap = stored is not None and stored.version == session.version - 1
        return can_swap and session.subject == subject and session.generation == generation

    def append(self, entry: Revocation) -> Revocation:
        self.sequence += 1
        appended = replace(entry, sequence=self.sequence)
        self.entries.append(appended)
        for sink in self.sinks:
            sink.apply(appended)
        return appended

    def increment_generation(self, increment: GenerationIncrement) -> Revocation:
        key = (RevocationKind.SUBJECT, increment.subject)
        previous = self.floors.get(key, 0)
        self.floors[key] = previous + 1
        return self.append(
            Revocation(RevocationKind.SUBJECT, increment.subject, previous + 1, increment.at, increment.expires_at)
        )

"""A store whose sessions are in a Redis that is watched."""

from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from keyturn.core.revocation import Revocation, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import NotDurable, StoreQuarantined, StoreUnavailable
from keyturn.stores.open import RedisSessions, open_store
from keyturn.testing.contract.records import NOW, new_session
from services.process import until

SECONDS = 1.5


class MonitoredStore:
    """A store whose quarantine is watched, by a process that remembers revocations."""

    def __init__(self, database: Path, url: str, *, seconds: float = SECONDS, **options: Any) -> None:
        self.store: Any = open_store(
            f"sqlite:///{database}", redis_sessions=RedisSessions(url, quarantine_seconds=seconds, **options)
        )
        self.revocations = RevocationSet()
        self.stop = Event()
        self.revocations_readable = Event()
        self.revocations_readable.set()
        arguments = (self.stop, self.read_revocations, lambda: NOW)
        self.thread = Thread(target=self.store.quarantine.watch, args=arguments, daemon=True)
        self.thread.start()
        until(lambda: self.store.quarantine._identity is not None)

    def read_revocations(self, at: Instant) -> list[Revocation]:
        assert self.revocations_readable.wait(30)
        return list(self.revocations.entries(at))

    def add_revocation(self, entry: Revocation) -> None:
        self.revocations.apply(entry)

    def is_quarantined(self) -> bool:
        try:
            self.store.sessions.load(new_session().sid)
        except StoreQuarantined:
            return True
        except StoreUnavailable:
            return False
        return False

    def close(self) -> None:
        self.stop.set()
        self.thread.join(30)
        self.store.close()


def insert_session(store: Any) -> Any:
    """Insert a new session, retried until a replica acknowledges it in time."""
    for _ in range(30):
        session = new_session()
        with suppress(NotDurable):
            store.sessions.insert(session)
            return session
    raise AssertionError("no replica ever had one")


def reads(log: Any) -> bool:
    try:
        log.snapshot()
    except StoreUnavailable:
        return False
    return True


def loads(store: Any, session: Any) -> bool:
    try:
        return store.sessions.load(session.sid) is not None
    except StoreUnavailable:
        return False

"""A source of revocations set by hand, and waiting for what a registry does in its threads."""

import time
from collections.abc import Callable
from threading import Event

from keyturn.connections import ConnectionEnd, ConnectionRegistry
from keyturn.core.connection import Decision, decide_revocations
from keyturn.core.principal import CredentialType, Principal
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant, SessionId, Subject

NOW = 1_800_000_000
BOUND = 5.0


class ManualSource:
    """A ``ConnectionSource`` on a clock set by hand. ``load`` is what a reload does; ``reloaded`` what it was asked."""

    bound_seconds = BOUND

    def __init__(self) -> None:
        self.now = 100.0
        self.gap = 0.0
        self.completed = 100.0
        self.revocations = RevocationSet()
        self.listeners: list[Callable[[Revocation | None], None]] = []
        self.is_polled = False
        self.has_changed = False
        self.reloaded: list[SessionId] = []
        self.load: Callable[[Principal], Principal] = lambda principal: principal

    def monotonic(self) -> float:
        return self.now

    def complete_as_of(self) -> float:
        return self.completed

    def poll(self) -> bool:
        changed, self.has_changed = self.has_changed, False
        return changed

    def present(self) -> tuple[float, float]:
        return NOW - 100 + self.now, self.gap

    def subscribe(self, listener: Callable[[Revocation | None], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def decide(self, principal: Principal) -> Decision:
        return decide_revocations(principal, self.revocations)

    def reload(self, principal: Principal) -> Principal:
        self.reloaded.append(principal.sid)
        return self.load(principal)

    def pass_time(self, seconds: float, *, is_read: bool = True) -> None:
        """Let time pass, in which the feed is read or not."""
        self.now += seconds
        if is_read:
            self.completed = self.now

    def revoke(self, kind: RevocationKind, key: str, value: int = ENDED, *, is_told: bool = True) -> None:
        """Deliver one entry, of which the listeners are told or not."""
        entry = Revocation(kind, key, value, Instant(NOW), Instant(NOW + 4000), self.revocations.sequence + 1)
        self.revocations.apply(entry)
        for each in list(self.listeners) if is_told else ():
            each(entry)

    def deliver_snapshot(self) -> None:
        for each in list(self.listeners):
            each(None)


class Watched:
    """A connection in a registry, and the end that it was told."""

    def __init__(self, registry: ConnectionRegistry, principal: Principal) -> None:
        self.ends: list[ConnectionEnd] = []
        self.told = Event()
        self._registry = registry
        self.registration = registry.open(principal, self._notify)

    @property
    def is_open(self) -> bool:
        return self._registry.is_open(self.registration)

    def wait(self) -> ConnectionEnd:
        assert self.told.wait(10), "the connection did not end"
        return self.ends[0]

    def _notify(self, end: ConnectionEnd) -> None:
        self.ends.append(end)
        self.told.set()


def principal_of(
    sid: str = "s1",
    subject: str = "ada",
    client: str = "web",
    credential: CredentialType = "session",
    *,
    expires_in: int = 600,
    generation: int = 1,
    issued_at: int = NOW,
) -> Principal:
    return Principal(
        Subject(subject),
        SessionId(sid),
        client,
        credential,
        Instant(NOW),
        Instant(NOW + expires_in),
        generation=generation,
        issued_at=Instant(issued_at),
    )


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until ``holds`` returns True."""
    give_up_at = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < give_up_at:
        time.sleep(0.005)
    return held

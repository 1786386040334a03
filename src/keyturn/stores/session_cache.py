"""NearSessions: sessions and revocations as one process holds them, no older than the staleness bound."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import LogCursor, Revocation, RevocationKind, RevocationPage, RevocationSet, Verdict
from keyturn.core.session import CachedSession, LoadedSession
from keyturn.core.types import Instant, SessionId

CAPACITY = 100_000

LINGER_SECONDS = 60
"""Entries are held this much longer than they need be: a session read before one was written may be on its way yet."""


class LocalSessionCache:
    """``ports.SessionCache`` in this process, and the sink its feed pours into. For any number of threads.

    ``staleness_seconds``: the declared bound S. ``monotonic``: the clock it is measured on, in seconds, the same one
    the feed uses. ``capacity``: sessions held; the one used longest ago goes first.
    """

    def __init__(
        self,
        staleness_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self._freshness = Freshness(staleness_seconds)
        self._monotonic = monotonic
        self._capacity = capacity
        self._revocations = RevocationSet()
        self._log: int | None = None
        self._sessions: OrderedDict[SessionId, LoadedSession] = OrderedDict()
        self._by_subject: dict[str, set[SessionId]] = {}
        # Held by whoever changes anything; readers need none, each looks at one dict at a time.
        self._lock = Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.hits = 0
        """Sessions answered from memory. Counted without a lock: a few may be missed when threads race."""
        self.misses = 0
        """Sessions that had to be asked of the store."""

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"NearSessions({len(self._sessions)} of {self._capacity}, {len(self._revocations)} revocations)"

    @property
    def age_seconds(self) -> float:
        """How old the news from the feed is; infinite before the first."""
        return self._freshness.age(self._monotonic())

    @property
    def is_fresh(self) -> bool:
        """Whether verdicts are given: the news is no older than the bound."""
        return self._freshness.is_fresh(self._monotonic())

    @property
    def sequence(self) -> int:
        """Greatest sequence number heard of."""
        return self._revocations.sequence

    @property
    def revocation_count(self) -> int:
        """Revocations held."""
        return len(self._revocations)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` whenever something was revoked, in whatever thread it is learned; it must not wait, nor ask
        a store. Answers how to stop."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def revocations(self, at: Instant) -> list[Revocation]:
        """Every revocation held, as entries dated ``at``."""
        with self._lock:
            return list(self._revocations.entries(at))

    # --- the questions of a request: no lock ---

    def get(self, sid: SessionId) -> LoadedSession | None:
        """A cached session; ``None`` when unknown, evicted, or the feed is stale."""
        # Freshness first: what it vouches for is already applied when the session is looked up.
        if not self._freshness.is_fresh(self._monotonic()):
            self.misses += 1
            return None
        try:
            loaded = self._sessions[sid]
            self._sessions.move_to_end(sid)
        except KeyError:
            self.misses += 1
            return None
        self.hits += 1
        return loaded

    def check(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> Verdict:
        """What the feed says of an access token; ``UNKNOWN`` when it is older than the staleness bound."""
        if not self._freshness.is_fresh(self._monotonic()):
            return Verdict.UNKNOWN
        if self._revocations.revokes(sid, subject, generation, client_id, issued_at):
            return Verdict.REVOKED
        return Verdict.LIVE

    # --- what this process learned from the store, or did to it ---

    def put(self, loaded: LoadedSession) -> None:
        """Cache what the store just answered, unless the feed already knows better."""
        with self._lock:
            if not self._is_outdated(loaded):
                self._insert(loaded)

    def cursor(self) -> LogCursor | None:
        """How far this process has followed the log; ``None`` when the feed is stale: no copy may be believed then."""
        log = self._log
        if log is None or not self._freshness.is_fresh(self._monotonic()):
            return None
        return LogCursor(log, self._revocations.sequence)

    def accept_copy(self, copy: CachedSession) -> bool:
        """Whether the feed is fresh, reached as far as the copy's reader had, and knows nothing against it.

        It is cached then.
        """
        # Freshness first, as in recall.
        if not self._freshness.is_fresh(self._monotonic()):
            return False
        cursor = copy.position
        with self._lock:
            if (
                cursor.log_id != self._log
                or cursor.sequence > self._revocations.sequence
                or self._is_outdated(copy.loaded)
            ):
                return False
            self._insert(copy.loaded)
        return True

    def evict(self, sid: SessionId) -> None:
        """Drop a session this process has just changed."""
        with self._lock:
            self._discard(sid)

    def apply_local(self, entry: Revocation) -> None:
        """Apply a revocation this process has just committed, ahead of the feed."""
        self.apply(entry)

    # --- what the feed pours in ---

    def apply(self, entry: Revocation) -> None:
        """Take one entry, and drop every session it may have changed."""
        with self._lock:
            self._revocations.apply(entry)
            if entry.kind is RevocationKind.SESSION:
                self._discard(SessionId(entry.key))
            elif entry.kind is RevocationKind.SUBJECT:
                for sid in tuple(self._by_subject.get(entry.key, ())):
                    self._discard(sid)
            else:
                self._clear()
        self._notify()

    def reset(self, page: RevocationPage) -> None:
        """Start over from a snapshot: something was missed, so no session is held any longer.

        Merged into what is held: a log that went back in time must not bring a revoked token back to life.
        """
        with self._lock:
            self._clear()
            for entry in page.entries:
                self._revocations.apply(entry)
            self._revocations.sequence = page.sequence
            self._log = page.log_id
        self._notify()

    def mark_complete(self, asked_at: float) -> None:
        """Everything committed up to ``asked_at`` (monotonic seconds, when the feed was *asked*) has been applied."""
        self._freshness.mark_complete(asked_at)

    def expire(self, now: Instant) -> None:
        """Forget revocations whose tokens are all dead."""
        with self._lock:
            self._revocations.expire(Instant(now - LINGER_SECONDS))

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    def _is_outdated(self, loaded: LoadedSession) -> bool:
        # The load may have raced an entry: what it read before is no longer so.
        if loaded.session.ended_at is not None:
            return True
        revocations, session, floor = self._revocations, loaded.session, loaded.floor
        not_before = max(revocations.not_before, revocations.clients.get(session.client.client_id, 0))
        return (
            revocations.min_counter(session.sid) > session.renewals
            or revocations.generations.get(session.subject, 0) > floor.generation
            or not_before > floor.not_before
        )

    def _insert(self, loaded: LoadedSession) -> None:
        session = loaded.session
        cached = self._sessions.get(session.sid)
        if cached is not None and cached.session.version > session.version:
            return
        self._sessions[session.sid] = loaded
        self._sessions.move_to_end(session.sid)
        self._by_subject.setdefault(session.subject, set()).add(session.sid)
        while len(self._sessions) > self._capacity:
            self._unlist(self._sessions.popitem(last=False)[1])

    def _discard(self, sid: SessionId) -> None:
        loaded = self._sessions.pop(sid, None)
        if loaded is not None:
            self._unlist(loaded)

    def _unlist(self, loaded: LoadedSession) -> None:
        sids = self._by_subject[loaded.session.subject]
        sids.discard(loaded.session.sid)
        if not sids:
            del self._by_subject[loaded.session.subject]

    def _clear(self) -> None:
        self._sessions.clear()
        self._by_subject.clear()

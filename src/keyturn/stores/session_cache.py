"""In-process cache of sessions and revocations, no older than the staleness bound."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from keyturn.core.connection import Decision, decide_revocations
from keyturn.core.feed import LogCursor
from keyturn.core.freshness import Freshness
from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage, RevocationSet, Verdict, is_void
from keyturn.core.sealed import ParsedCredential
from keyturn.core.session import CachedSession, LoadedSession
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal, TokenRevoked
from keyturn.stores.refusal_cache import RefusalCache

_CAPACITY = 100_000

LINGER_SECONDS = 60
"""Keep revocations this long after expiry: a session read before one may still be on its way into the cache."""


Listener = Callable[[Revocation | None], None]
"""Receives each revocation after it was applied, or None after a snapshot, which may hold any revocation."""


class LocalSessionCache:
    """Thread-safe ``ports.SessionCache`` in this process, and the sink of its feed.

    ``staleness_seconds``: the staleness bound. ``monotonic``: clock of the bound in seconds, the same as the feed's.
    ``capacity``: largest number of sessions; the least recently used one is evicted.
    """

    def __init__(
        self,
        staleness_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        capacity: int = _CAPACITY,
    ) -> None:
        self._freshness = Freshness(staleness_seconds)
        self._monotonic = monotonic
        self._capacity = capacity
        self._revocations = RevocationSet()
        self._refusals = RefusalCache(staleness_seconds, monotonic)
        self._log: int | None = None
        self._suspended_before = 0
        self._sessions: OrderedDict[SessionId, LoadedSession] = OrderedDict()
        self._by_subject: dict[str, set[SessionId]] = {}
        # Held for every change. Readers need no lock: each reads one dict at a time.
        self._lock = Lock()
        self._listeners: tuple[Listener, ...] = ()
        self.hits = 0
        """Cache hits. Counted without a lock: a race may lose a few increments."""
        self.misses = 0
        """Cache misses: sessions that had to be loaded from the store."""

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"LocalSessionCache({len(self._sessions)} of {self._capacity}, {len(self._revocations)} revocations)"

    @property
    def age_seconds(self) -> float:
        """Seconds since the feed was complete; infinite before the first read."""
        return self._freshness.age(self._monotonic())

    @property
    def complete_as_of(self) -> float:
        """Monotonic time as of which the feed was complete; minus infinity before the first read."""
        return self._freshness.complete_as_of

    @property
    def is_fresh(self) -> bool:
        """True while the feed is no older than the staleness bound."""
        return self._freshness.is_fresh(self._monotonic())

    @property
    def sequence(self) -> int:
        """Greatest sequence number applied."""
        return self._revocations.sequence

    @property
    def revocation_count(self) -> int:
        """Number of revocations."""
        return len(self._revocations)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every revocation, in the thread that applied it. Return a function to unsubscribe.

        The listener must not block or use a store.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def revocations(self, at: Instant) -> list[Revocation]:
        """Return all revocations as entries dated ``at``."""
        with self._lock:
            return list(self._revocations.entries(at))

    # --- called by requests: no lock ---

    def get(self, sid: SessionId) -> LoadedSession | None:
        """Return a cached session, or None if it is unknown or evicted, or the feed is stale."""
        # Check freshness first: every revocation it covers was applied before the session is looked up.
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

    def get_refusal(self, credential: ParsedCredential) -> type[Refusal] | None:
        """Return the refusal of a session token whose session has ended, or that the store has just refused.

        A revocation is final: it refuses even when the feed is stale.
        """
        if credential.sid.encode() in self._revocations.ended:
            return TokenRevoked
        return None if self._log is None else self._refusals.get(credential, self._log)

    def check(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> Verdict:
        """Check an access token against the feed. Return ``UNKNOWN`` if the feed is older than the staleness bound."""
        # In a restored database only the store tells suspended sessions from new ones: no clock is compared.
        if self._suspended_before or not self._freshness.is_fresh(self._monotonic()):
            return Verdict.UNKNOWN
        if self._revocations.revokes(sid, subject, generation, client_id, issued_at):
            return Verdict.REVOKED
        return Verdict.LIVE

    def decide_connection(self, principal: Principal) -> Decision:
        """Decide if a known revocation ends an open connection of ``principal``."""
        return decide_revocations(principal, self._revocations, self._suspended_before)

    # --- called after this process read or changed the store ---

    def put(self, loaded: LoadedSession) -> None:
        """Cache a session just loaded from the store, unless the feed has a newer revocation of it."""
        with self._lock:
            if not self._is_outdated(loaded):
                self._insert(loaded)

    def put_refusal(self, credential: ParsedCredential, refusal: type[Refusal], cursor: LogCursor) -> None:
        """Remember a refusal of the store for the staleness bound. ``cursor``: position before the store was asked."""
        self._refusals.put(credential, cursor.log_id, refusal)

    def cursor(self) -> LogCursor | None:
        """Return the position up to which the log was applied, or None if the feed is stale: then use no copy."""
        log = self._log
        if log is None or not self._freshness.is_fresh(self._monotonic()):
            return None
        return LogCursor(log, self._revocations.sequence)

    def accept_copy(self, copy: CachedSession) -> bool:
        """Cache a copy from the shared cache. Return False if it cannot be proven valid.

        The feed must be fresh, must have reached the position of the copy's reader, and must not hold a newer
        revocation of the session.
        """
        # Check freshness first, as in get.
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

    def is_suspended(self) -> bool:
        """Return True if the sessions of a restored database are suspended, as far as the feed has told."""
        return self._suspended_before > 0

    def evict(self, sid: SessionId) -> None:
        """Remove a session that this process has just changed."""
        with self._lock:
            self._discard(sid)

    def apply_local(self, entry: Revocation) -> None:
        """Apply a revocation that this process has just committed, before the feed delivers it."""
        self.apply(entry)

    # --- called by the feed ---

    def apply(self, entry: Revocation) -> None:
        """Apply one entry and remove every session that it may have changed."""
        with self._lock:
            self._revocations.apply(entry)
            if entry.kind is RevocationKind.SESSION:
                self._discard(SessionId(entry.key))
            elif entry.kind is RevocationKind.SUBJECT:
                for sid in tuple(self._by_subject.get(entry.key, ())):
                    self._discard(sid)
            else:
                self._clear()
        self._notify(entry)

    def reset(self, page: RevocationPage) -> None:
        """Restart from a snapshot after a gap in the log, and remove all sessions.

        Known revocations are kept: a log restored from a backup must not revive a revoked token.
        """
        with self._lock:
            self._clear()
            for entry in page.entries:
                self._revocations.apply(entry)
            self._revocations.sequence = page.sequence
            self._log, self._suspended_before = page.log_id, page.suspended_before
        self._notify(None)

    def mark_complete(self, requested_at: float) -> None:
        """Record that every entry committed by ``requested_at`` (monotonic seconds of the *request*) was applied."""
        self._freshness.mark_complete(requested_at)

    def expire(self, now: Instant) -> None:
        """Remove revocations whose tokens have all expired."""
        with self._lock:
            self._revocations.expire(Instant(now - LINGER_SECONDS))

    def _notify(self, entry: Revocation | None) -> None:
        for listener in self._listeners:
            listener(entry)

    def _is_outdated(self, loaded: LoadedSession) -> bool:
        # The load may have raced a revocation: then the session it returned is outdated.
        if loaded.session.ended_at is not None:
            return True
        revocations, session, floor = self._revocations, loaded.session, loaded.floor
        return (
            revocations.min_counter(session.sid) > session.renewals
            or is_void(
                floor.generation,
                floor.not_before,
                *revocations.bounds(session.subject, session.client.client_id),
            )
            or self._suspended_before > floor.suspended_before
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

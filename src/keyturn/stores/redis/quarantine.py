"""Quarantine of a Redis that restarted or failed over, because it may have lost acknowledged writes.

The change is detected and logged, and Redis is not used for some seconds. Meanwhile every process replays the
revocations that it knows (P3). A revocation that no process knows and no replica has is lost; the operator's
``redis_min_replicas`` determines how likely that is.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import Any, Final

from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, GenerationIncrement, Revocation, RevocationKind
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import NotDurable, StoreQuarantined, StoreUnavailable
from keyturn.ports import LOG_BITS, SessionStore
from keyturn.stores.proxy import make_proxy
from keyturn.stores.redis import scripts
from keyturn.stores.redis.codec import pack_entry
from keyturn.stores.redis.connect import CorruptRecord
from keyturn.stores.redis.keys import COUNTS, LOG
from keyturn.stores.redis.log import BATCH, append
from keyturn.stores.redis.operation import RedisCall, RedisOperation, Run, RunAsync
from keyturn.stores.redis.runner import RedisRunner, bind_to
from keyturn.stores.redis.sessions import NONCE_BYTES, Sessions

CHECK_SECONDS: Final = 0.25

PEER_WAIT_SECONDS: Final = 4 * CHECK_SECONDS
"""Wait after replaying this process's revocations, for the other processes to replay theirs, before the log is used."""

REASON: Final = "revoked; a failover had lost it"

_logger = logging.getLogger("keyturn.store")

RevocationSource = Callable[[Instant], Iterable[Revocation]]


class Quarantine:
    """Quarantine as seen by one process; run ``watch`` in a thread. ``seconds``: duration without session reads.

    The identity of a Redis is the ``run_id`` and ``master_replid`` of each of its primaries. The last seen identity is
    stored in Redis, so that the next process to start detects a change that no process observed.
    """

    def __init__(self, runner: RedisRunner, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._seconds = seconds
        self._monotonic = monotonic
        self._sessions: SessionStore = make_proxy(SessionStore, Sessions(), bind_to(runner.run))
        self._identity: bytes | None = None
        self._log_id: bytes | None = None
        self._ends_at: float | None = None
        self._is_log_closed = False
        self._is_watched = False
        self._is_suspected = True
        self._wakeup = Event()
        self.database: int | None = None
        """Id that binds Redis to the database of these sessions, written again if Redis lost it."""
        self.changes = 0
        """Number of detected restarts and failovers."""

    @property
    def is_active(self) -> bool:
        """True during a quarantine."""
        return self._ends_at is not None

    def raise_if_active(self) -> None:
        """Raise ``StoreQuarantined`` during a quarantine, ``StoreUnavailable`` while the identity is unverified."""
        self._refuse_until(self._ends_at)

    def raise_if_log_affected(self) -> None:
        """Raise as ``raise_if_active``, but only until the lost entries are replayed; for readers of the log.

        Before that, the log would report a complete page, and the reader would accept revoked tokens for good (P4).
        """
        self._refuse_until(self._ends_at if self._is_log_closed else None)

    def _refuse_until(self, ends_at: float | None) -> None:
        if ends_at is not None:
            remaining = max(1, int(ends_at - self._monotonic()) + 1)
            raise StoreQuarantined("the Redis session store restarted or failed over", retry_after_seconds=remaining)
        if self._is_suspected and self._is_watched:
            raise StoreUnavailable("the identity of the Redis session store has to be checked first; retry in a second")

    def expect_failover(self) -> None:
        """Refuse calls until the identity was checked once, and try to check it now. Call it before ``watch``."""
        self._is_watched = True
        with suppress(StoreUnavailable):
            self.check_identity()

    def _record_error(self, error: StoreUnavailable) -> None:
        # NotDurable and CorruptRecord come from a server that answered. After any other error, check its identity
        # before it is used again.
        if not isinstance(error, NotDurable | CorruptRecord):
            self._is_suspected = True
            self._wakeup.set()

    def guard(self, run: Run, raise_if_active: Callable[[], None] | None = None) -> Run:
        """Wrap ``run`` with a check before each operation. Default: ``raise_if_active``."""
        raise_if_active = raise_if_active or self.raise_if_active

        def wrapper(operation: RedisOperation[Any]) -> Any:
            raise_if_active()
            try:
                return run(operation)
            except StoreUnavailable as error:
                self._record_error(error)
                raise

        return wrapper

    def guard_async(self, run: RunAsync, raise_if_active: Callable[[], None] | None = None) -> RunAsync:
        """Wrap an async ``run``; see ``guard``."""
        raise_if_active = raise_if_active or self.raise_if_active

        async def wrapper(operation: RedisOperation[Any]) -> Any:
            raise_if_active()
            try:
                return await run(operation)
            except StoreUnavailable as error:
                self._record_error(error)
                raise

        return wrapper

    def watch(self, stop: Event, known_revocations: RevocationSource, now: Callable[[], Instant]) -> None:
        """Check the identity every 0.25 seconds, and at once after an error, until ``stop`` is set."""
        self._is_watched = True
        while not stop.is_set():
            self._wakeup.clear()
            try:
                self.check_identity()
                if self.is_active:
                    self.replay_revocations(known_revocations(now()), now())
                    stop.wait(min(PEER_WAIT_SECONDS, self._seconds))
                    self._is_log_closed = False
                    self._wait_out(stop)
            except StoreUnavailable:
                # Requests report the error. One whose first call is answered after a restart must wait for the check.
                self._is_suspected = True
            except Exception:  # without this thread, a quarantine would never end
                _logger.exception("checking the identity of the Redis session store failed; retrying")
            self._wakeup.wait(CHECK_SECONDS)
        self._is_watched = False

    def check_identity(self) -> None:
        """Check the identity of Redis and begin a quarantine if it changed. Raises ``StoreUnavailable``."""
        identity = _digest(self._runner.identities())
        previous = self._identity or self._runner.run(_read_identity())
        # The new log id is random, so that readers detect the change whichever process wrote it first.
        log_id = self._runner.run(_write_identity(identity, previous is not None, self.database))
        # The same Redis with another log id was emptied (FLUSHALL), or its log was deleted or evicted; or another
        # process detected that first.
        if previous not in (None, identity) or self._log_id not in (None, log_id):
            self._begin()
        self._identity, self._log_id, self._is_suspected = identity, log_id, False

    def replay_revocations(self, entries: Iterable[Revocation], now: Instant) -> None:
        """Revoke again everything in ``entries``, and append the entries that the log has lost.

        Idempotent, and safe in several processes at once. Raises ``StoreUnavailable``.
        """
        revocations = list(entries)
        for start in range(0, len(revocations), BATCH):
            batch = revocations[start : start + BATCH]
            for entry in batch:
                try:
                    self._replay(entry, now)
                except CorruptRecord as error:
                    # An unreadable session admits no request; the other revocations must not wait for it.
                    _logger.warning("a revocation of kind %s could not be replayed: %s", entry.kind.value, error.detail)
            self._runner.run(append({_nonce(entry): pack_entry(entry) for entry in batch}))

    def _replay(self, entry: Revocation, now: Instant) -> None:
        if entry.kind is RevocationKind.SESSION:
            self._replay_session_end(entry, now)
        elif entry.kind is RevocationKind.SUBJECT:
            self._replay_generation(entry, now)
        else:
            self._sessions.raise_not_before(entry)

    def _begin(self) -> None:
        self.changes += 1
        self._is_log_closed = True
        self._ends_at = self._monotonic() + self._seconds
        _logger.error(
            "the Redis session store restarted or failed over: it may have lost acknowledged writes; "
            "no session is read from it for %g s, while known revocations are replayed",
            self._seconds,
        )

    def _wait_out(self, stop: Event) -> None:
        """Wait for the end of the quarantine, and keep checking the identity.

        A broken connection must not keep the log closed until the end, and another failover must be detected.
        """
        changes, ends_at = self.changes, self._ends_at or 0.0
        while not stop.is_set() and (remaining := ends_at - self._monotonic()) > 0:
            self._wakeup.wait(min(CHECK_SECONDS, remaining))
            self._wakeup.clear()
            with suppress(StoreUnavailable):
                self.check_identity()
            if self.changes != changes:
                return  # another failover: start again
        self._ends_at = None
        _logger.warning("the quarantine is over: sessions are read from Redis again")

    def _replay_session_end(self, entry: Revocation, now: Instant) -> None:
        while (loaded := self._sessions.load(SessionId(entry.key))) is not None:
            session = loaded.session
            if session.ended_at is not None or (entry.value != ENDED and session.renewals >= entry.value):
                return
            if entry.value == ENDED:
                changed = revoke(loaded, REASON, now)
            else:
                changed = replace(session, renewals=entry.value, version=session.version + 1)
            if self._sessions.replace(changed) is not None:
                return

    def _replay_generation(self, entry: Revocation, now: Instant) -> None:
        subject = Subject(entry.key)
        while self._sessions.revocation_floor(subject, "").generation < entry.value:
            self._sessions.increment_generation(GenerationIncrement(subject, now, entry.expires_at))


def _digest(identities: Iterable[str]) -> bytes:
    return hashlib.sha256("".join(sorted(identities)).encode()).hexdigest().encode()


def _read_identity() -> RedisOperation[bytes | None]:
    identity: bytes | None = yield RedisCall("HGET", (COUNTS,), (b"i",))
    return identity


def _write_identity(identity: bytes, has_previous: bool, database: int | None) -> RedisOperation[bytes]:
    """Write the identity, and return the current log id."""
    arguments = (identity, secrets.randbits(LOG_BITS), int(has_previous), database or "")
    log_id: bytes = yield RedisCall(scripts.IDENTIFY, (COUNTS, LOG), arguments)
    return log_id


def _nonce(entry: Revocation) -> bytes:
    """Return the same nonce in each process: of all processes that replay an entry, one appends it."""
    return hashlib.sha256(pack_entry(entry)).digest()[:NONCE_BYTES]

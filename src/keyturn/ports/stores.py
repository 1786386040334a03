"""Ports of a store: protocols with their concurrency contracts, and ``StorePorts``, which declares them once.

Every method is atomic and, except in ``ThrottleStore``, durable when it returns. Ports make no decisions: a store
compares, swaps and appends.
Any method may raise ``StoreUnavailable``. The operation then took effect completely or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_type_hints

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent
from keyturn.core.log_mark import LogMark
from keyturn.core.one_time import Insertion, OneTimeKind, OneTimeLimits, OneTimeValue
from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationPage
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, SessionId, Subject

MAX_LISTED = 1000
"""Most sessions that ``SessionStore.list`` returns, so that a subject with very many sessions costs no more."""


LOG_BITS = 52
"""Bits of a random log id: it is sent as a JSON number, where more are not exact everywhere (RFC 8259 section 6)."""


class SessionStore(Protocol):
    """Store of sessions, revocation floors and the revocation log."""

    def insert(self, session: Session) -> None:
        """Store a new session. Raises ``ValueError`` when the sid exists already (a broken random source).

        The sid encodes the partition of the subject (``core.session_id``). A store that relies on it may raise
        ``ValueError`` for any other sid.
        """
        ...

    def load(self, sid: SessionId) -> LoadedSession | None:
        """Load a session and its revocation floor, in one consistent read of the primary and one round trip."""
        ...

    def revocation_floor(self, subject: Subject, client_id: str) -> RevocationFloor:
        """Return the revocation floor for a new session of ``subject`` on ``client_id``."""
        ...

    def replace(self, session: Session, entry: Revocation | None = None) -> int | None:
        """Compare and swap: store ``session`` if the stored version is ``session.version - 1``; append ``entry``.

        Both happen or neither does. Returns the entry's sequence (0 without one), or ``None`` when another write won
        or the session does not exist. Of any number of racing calls with one version, exactly one wins.
        """
        ...

    def wait_durable(self, session: Session) -> bool:
        """Wait until ``session``, as returned by ``load``, is as durable as an acknowledged write. Changes nothing.

        Returns False if the stored session has changed. Flows call it after ``load`` returned ``durable=False``, and
        before they acknowledge a revocation that another request, or an earlier attempt, has written.
        """
        ...

    def increment_generation(self, increment: GenerationIncrement) -> Revocation:
        """Raise the subject's generation by exactly one and append its revocation, in one transaction.

        No session is written. Of racing calls each counts: n calls raise the generation by n.
        """
        ...

    def raise_not_before(self, entry: Revocation) -> Revocation:
        """Raise the not-before of a client, or of all sessions, to at least ``entry.value``; append ``entry``."""
        ...

    def last_use(self, client_id: str | None) -> Instant:
        """Return the latest ``last_seen_at`` of all sessions, or of those of a client.

        The epoch if there is none, and for a store that dates sessions by a clock of its own and cannot search them.
        """
        ...

    def list(self, subject: Subject) -> Sequence[LoadedSession]:
        """Return the newest sessions of ``subject`` that have not ended, newest first, at most ``MAX_LISTED``.

        Some may be void or timed out: the caller checks their state.
        """
        ...

    def purge(self, now: Instant) -> int:
        """Delete sessions and log entries with ``expires_at <= now``. Return the number of deleted sessions.

        A store that hides expired sessions and lets them expire on their own returns 0.
        """
        ...


class AccountStore(Protocol):
    """Store of accounts."""

    def insert(self, account: Account) -> bool:
        """Store a new account; False when the identifier is taken. Of racing calls exactly one returns True."""
        ...

    def find(self, identifier: str) -> Account | None:
        """Return the account with this normalised identifier, or ``None``."""
        ...

    def load(self, subject: Subject) -> Account | None:
        """Return the account of this subject, or ``None``."""
        ...

    def password_hashes(self, limit: int) -> Sequence[str]:
        """Return the password hashes of at most ``limit`` accounts: a sample, always of the same accounts."""
        ...

    def list(self, after: Subject, limit: int) -> Sequence[Account]:
        """Return at most ``limit`` accounts whose subject is greater than ``after``, in one order of all subjects."""
        ...

    def replace(self, account: Account) -> bool:
        """Compare and swap on ``version``, as ``SessionStore.replace``. Return True if the account was stored."""
        ...

    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> Revocation | None:
        """Do ``replace`` and ``SessionStore.increment_generation`` in one transaction.

        Returns ``None``, and changes nothing, when a swap is lost. A store without a common transaction lets ``find``
        and ``load`` wait until it is over: an account, a floor and the same account again were then read as of one
        moment.

        ``keep_session``: a session that stays valid, in its new form. It is swapped in the same transaction, as by
        ``SessionStore.replace`` (the stored version must be ``keep_session.version - 1``), but stored with the new
        generation. The swap is also lost when its subject is not ``increment.subject``, or its ``generation`` is not
        the current one: a void session never becomes valid again.
        """
        ...


class RevocationLog(Protocol):
    """Source of the feed: revocations in commit order. Every page names its log."""

    def after(self, sequence: int, limit: int) -> RevocationPage:
        """Return at most ``limit`` entries after ``sequence``, in order; ``complete`` is False if some were purged."""
        ...

    def snapshot(self) -> RevocationPage:
        """Return all entries that are not purged, and the sequence number up to which they are complete."""
        ...

    def sequence(self) -> int:
        """Return the sequence number of the last entry ever appended, purged or not."""
        ...

    def mark_restored(self, known: LogMark, now: Instant) -> bool:
        """Suspend all sessions if the log lacks the entry of ``known``. False if pages have no ``start``."""
        ...

    def clock(self) -> float | None:
        """Return the Unix time of the store's own clock in seconds; ``None`` for a store on this machine."""
        ...


class ThrottleStore(Protocol):
    """Store of attempt counters. They need not be durable: losing the latest in a power failure breaks no login."""

    def load(self, key: str) -> Bucket | None:
        """Return the bucket of ``key``, or ``None``."""
        ...

    def replace(self, bucket: Bucket) -> bool:
        """Compare and swap on ``version``; version 1 inserts. Of racing calls with one version, exactly one wins."""
        ...

    def purge(self, now: Instant) -> int:
        """Delete buckets that are empty at ``now``. Return their number."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class StoredKey:
    """Stored signing key: ``encrypted`` under the server secret. ``serial`` is unique per store."""

    kid: str
    algorithm: str
    serial: int
    active_at: Instant
    encrypted: bytes

    def __repr__(self) -> str:
        return f"StoredKey(kid={self.kid!r}, algorithm={self.algorithm!r}, serial={self.serial})"


class KeyStore(Protocol):
    """Store of encrypted signing keys."""

    def list(self) -> Sequence[StoredKey]:
        """Return every key, in order of ``serial``."""
        ...

    def insert(self, key: StoredKey) -> bool:
        """Store a key; False when its serial or kid is taken, because another process was first."""
        ...

    def delete(self, kid: str) -> None:
        """Delete a key. Every token signed with it must have expired."""
        ...


class AuditLog(Protocol):
    """Log of security events."""

    def append(self, event: AuditEvent) -> None:
        """Append one event."""
        ...

    def recent(self, subject: Subject, limit: int) -> Sequence[AuditEvent]:
        """Return the newest events of ``subject``, newest first, at most ``limit``."""
        ...

    def purge(self, before: Instant) -> int:
        """Delete the events of all subjects with ``at < before``. Return their number."""
        ...


class OneTimeStore(Protocol):
    """Store of one-time values. It never returns a value that it may have lost a write of (a restore, a failover)."""

    def insert(self, value: OneTimeValue, limits: OneTimeLimits, now: Instant) -> Insertion:
        """Store a new value, unless its kind and digest are taken or a limit is reached. Of racing calls, one stores.

        ``now``: dates the answer ``complete_since`` of a store that was restored. A full store deletes nothing.
        """
        ...

    def load(self, kind: OneTimeKind, digest: bytes) -> OneTimeValue | None:
        """Return the value, live or spent, from the primary; None if it is not stored."""
        ...

    def replace(self, value: OneTimeValue) -> bool:
        """Compare and swap: store ``uses`` and ``made`` if the stored ``uses`` is ``value.uses - 1``.

        Return False if it is not, or the value is not stored. Of racing calls, one wins.
        """
        ...

    def purge(self, now: Instant) -> int:
        """Delete the values with ``expires_at <= now``, live and spent. Return their number."""
        ...


@dataclass(eq=False, repr=False)
class StorePorts:
    """Every port of a store, by name: the one declaration that stores, proxies, flows and the contract read.

    An async store has the same ports; their methods return awaitables, and ``drive_async`` awaits them.
    """

    sessions: SessionStore
    accounts: AccountStore
    log: RevocationLog
    throttles: ThrottleStore
    keys: KeyStore
    audit: AuditLog
    one_time: OneTimeStore


STORE_PORTS: Final[dict[str, type]] = get_type_hints(StorePorts)
"""Protocol of each port of a store, by name."""


def methods_of(port: type) -> list[str]:
    """Return the names of the methods that the protocol ``port`` declares."""
    return [name for name, value in vars(port).items() if callable(value) and not name.startswith("_")]


def ports_of(store: StorePorts) -> dict[str, Any]:
    """Return the ports of ``store`` by name."""
    return {name: getattr(store, name) for name in STORE_PORTS}

"""Ports: what Keyturn needs from outside, as protocols with their race contracts.

Every method is atomic and, but for counted attempts, durable when it returns. No port decides anything: a store
compares, swaps and appends.
The ``Async`` twin of each port has the same methods, awaited; flows do not know which one they are driven with.
Any method of a store may raise ``StoreUnavailable``; it then either happened or did not, never half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent
from keyturn.core.claims import AccessClaims
from keyturn.core.revocation import GenerationIncrement, LogCursor, Revocation, RevocationPage, Verdict
from keyturn.core.session import CachedSession, LoadedSession, RevocationFloor, Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, SessionId, Subject

MAX_LISTED = 1000
"""Sessions of one subject that are listed at most: a list nobody reads to its end must not cost every reader."""


LOG_BITS = 52
"""Bits of a log's random number: it travels as JSON, and more are not exact everywhere (RFC 8259 section 6)."""


class SessionStore(Protocol):
    """Where sessions, marks and the revocation log live."""

    def insert(self, session: Session) -> None:
        """Store a new session. Raises ``ValueError`` when the sid is taken (a broken random source).

        Its sid was made for its subject (``core.placement``); a store that relies on it may raise ``ValueError``, too.
        """
        ...

    def load(self, sid: SessionId) -> LoadedSession | None:
        """The session with the marks it is judged under, from one consistent read of the primary; one round trip."""
        ...

    def revocation_floor(self, subject: Subject, client_id: str) -> RevocationFloor:
        """The marks a new session of ``subject`` on ``client_id`` would be judged under."""
        ...

    def replace(self, session: Session, entry: Revocation | None = None) -> int | None:
        """Compare and swap: store ``session`` if the stored version is ``session.version - 1``; append ``entry``.

        Both happen or neither does. Answers the entry's sequence (0 without one), ``None`` when another write won
        or the session is gone. Of any number of racing calls with one version, exactly one wins.
        """
        ...

    def wait_durable(self, session: Session) -> bool:
        """Wait until ``session``, as ``load`` answered it, is as lasting as an acknowledged write; nothing changes.

        False when it is not what is stored any more. Asked where ``load`` answered ``settled=False``, and before a
        revocation is acknowledged that somebody else, or an earlier try, has made.
        """
        ...

    def increment_generation(self, increment: GenerationIncrement) -> Revocation:
        """Raise the subject's generation by exactly one and append the entry that says so, in one transaction.

        No session is touched. Racing calls each raise it: n calls raise it by n.
        """
        ...

    def raise_not_before(self, entry: Revocation) -> Revocation:
        """Raise the not-before of a client or of everything to at least ``entry.value``; append ``entry``."""
        ...

    def list(self, subject: Subject) -> Sequence[LoadedSession]:
        """The ``LISTED`` newest sessions of ``subject`` that have not ended, newest first. Some may be void or timed
        out: judge them."""
        ...

    def purge(self, now: Instant) -> int:
        """Delete sessions with ``expires_at <= now`` and log entries likewise. Answers how many sessions went; a store
        that hides them at once and lets them expire by themselves does not count: 0."""
        ...


class AccountStore(Protocol):
    """Where login records live."""

    def insert(self, account: Account) -> bool:
        """Store a new account; ``False`` when the identifier is taken. Of racing calls exactly one is told ``True``."""
        ...

    def find(self, identifier: str) -> Account | None:
        """The account under this (normalised) identifier."""
        ...

    def load(self, subject: Subject) -> Account | None:
        """The account of this subject."""
        ...

    def replace(self, account: Account) -> bool:
        """Compare and swap on ``version``, as for sessions."""
        ...

    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> Revocation | None:
        """``replace`` and ``SessionStore.increment_generation`` in one transaction.

        ``None``, and nothing done, when a swap lost.

        ``kept``: the one session that outlives it, as it is to be. Swapped in the same transaction as by
        ``SessionStore.replace`` (the stored version must be ``kept.version - 1``), but stored at the generation the
        entry names. Its swap is lost, too, when its subject is not ``voiding.subject`` or ``kept.generation`` is not
        the generation until then: what was void is never brought back.
        """
        ...


class RevocationLog(Protocol):
    """The feed's source: entries in the order they were committed. Every page says which log it is of."""

    def after(self, sequence: int, limit: int) -> RevocationPage:
        """Entries with a greater sequence number, in order, at most ``limit``; ``complete`` is false after a purge."""
        ...

    def snapshot(self) -> RevocationPage:
        """Every entry still held, and the sequence number it is complete up to."""
        ...

    def sequence(self) -> int:
        """Sequence number of the last entry ever appended, purged or not."""
        ...


class ThrottleStore(Protocol):
    """Where attempt counters live. Losing the latest in a power cut loses no login: they need not be durable."""

    def load(self, key: str) -> Bucket | None:
        """The bucket under ``key``."""
        ...

    def replace(self, bucket: Bucket) -> bool:
        """Compare and swap on ``version``; version 1 inserts. Of racing calls with one version exactly one wins."""
        ...

    def purge(self, now: Instant) -> int:
        """Delete buckets that are empty again at ``now``. Answers how many went."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class StoredKey:
    """A signing key at rest: ``sealed`` opens only with the server's secret. ``serial`` is unique per store."""

    kid: str
    algorithm: str
    serial: int
    active_at: Instant
    encrypted: bytes

    def __repr__(self) -> str:
        return f"StoredKey(kid={self.kid!r}, algorithm={self.algorithm!r}, serial={self.serial})"


class KeyStore(Protocol):
    """Where signing keys live, sealed."""

    def list(self) -> Sequence[StoredKey]:
        """Every key, by serial."""
        ...

    def insert(self, key: StoredKey) -> bool:
        """Store a key; ``False`` when its serial or kid is taken: another process was first."""
        ...

    def delete(self, kid: str) -> None:
        """Remove a key no living token was signed with."""
        ...


class AuditLog(Protocol):
    """Where security events go."""

    def append(self, event: AuditEvent) -> None:
        """Record one event."""
        ...

    def recent(self, subject: Subject, limit: int) -> Sequence[AuditEvent]:
        """The newest events of ``subject``, newest first."""
        ...

    def purge(self, before: Instant) -> int:
        """Delete events with ``at < before``, whoever they are of. Answers how many went."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """``outdated``: it matched, under parameters weaker than today's: hash it again."""

    matches: bool
    needs_rehash: bool = False


class PasswordHasher(Protocol):
    """A slow password hash in a bounded pool. Raises ``Overloaded`` past its queue."""

    def hash(self, password: str) -> str:
        """Hash ``password`` with a fresh salt."""
        ...

    def verify(self, encoded: str | None, password: str) -> PasswordCheck:
        """Compare; the same work for ``None``, the hash of an account that does not exist."""
        ...


class PasswordRules(Protocol):
    """Which passwords may be chosen (NIST SP 800-63B-4 section 3.1.1.2). In process."""

    def validate(self, password: str, identifier: str) -> None:
        """Raises ``PasswordRejected``, with a reason fit to show."""
        ...


class Signer(Protocol):
    """Signs access tokens with the active key. In process; the sync and async twins are the same object."""

    def sign(self, claims: Mapping[str, object], now: Instant) -> str:
        """A compact JWS of type ``at+jwt``."""
        ...

    def verify(self, token: str, now: Instant) -> AccessClaims:
        """The claims of an access token one of this issuer's own keys signed, nothing else judged.

        Raises ``TokenMalformed``, ``TokenInvalid``.
        """
        ...

    def jwks(self, now: Instant) -> dict[str, object]:
        """The public key set (RFC 7517): next, active and retired keys; never an HMAC secret."""
        ...


class SessionCache(Protocol):
    """Sessions and revocations as this process holds them, fed by the revocation feed; in process, never awaited.

    It may only ever help to say yes: a cached "no", or a feed older than the staleness bound, sends the question
    to the store.
    """

    def get(self, sid: SessionId) -> LoadedSession | None:
        """A cached session; ``None`` when unknown, evicted, or the feed is stale."""
        ...

    def put(self, found: LoadedSession) -> None:
        """Cache what the store just answered, unless the feed already knows better."""
        ...

    def cursor(self) -> LogCursor | None:
        """How far this process has followed the log; ``None`` when the feed is stale: no copy may be believed then."""
        ...

    def accept_copy(self, copy: CachedSession) -> bool:
        """Whether the feed is fresh, reached as far as the copy's reader had, and knows nothing against it.

        It is cached then.
        """
        ...

    def evict(self, sid: SessionId) -> None:
        """Drop a session this process has just changed."""
        ...

    def apply_local(self, entry: Revocation) -> None:
        """Apply a revocation this process has just committed, ahead of the feed."""
        ...

    def check(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> Verdict:
        """What the feed says of an access token; ``UNKNOWN`` when it is older than the staleness bound."""
        ...


class SharedSessionCache(Protocol):
    """Copies of sessions that all processes of an issuer share. It may lose, delay, mix up and repeat them.

    Asked by session token checks only, never for a write. It never raises: whatever is wrong with it is a miss.
    """

    def get(self, sid: SessionId, log: int) -> CachedSession | None:
        """A copy read under the log numbered ``log``, of any age; to be judged like anybody's hearsay."""
        ...

    def put(self, copy: CachedSession) -> None:
        """Keep what the store just answered, for the others."""
        ...


class Entropy(Protocol):
    """The random source."""

    def token_bytes(self, size: int, /) -> bytes:
        """``size`` unpredictable bytes."""
        ...


class KeyGenerator(Protocol):
    """Where signing keys are made. Slow (an RSA key takes tenths of a second), so its async twin uses a thread."""

    def make(self, algorithm: str, serial: int, active_at: Instant) -> StoredKey:
        """A fresh key, sealed."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a flow may ask. Fields typed ``object`` hold a port or its async twin: the driver knows which."""

    sessions: object
    accounts: object
    throttles: object
    log: object
    keys: object
    audit: object
    hasher: object
    key_generator: object
    passwords: PasswordRules
    signer: Signer
    session_cache: SessionCache
    shared_cache: object
    entropy: Entropy

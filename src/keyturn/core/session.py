"""Session: the one record behind both keys. It is also its refresh tokens' family."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyturn.core.revocation import LogCursor
from keyturn.core.types import EPOCH, Instant, SessionId, Subject

CACHE_TTL_SECONDS = 600
"""How long a copy may be believed. Far below the hour for which revocation entries are kept at least, so that the entry
which ended a session outlives every copy of it, on clocks that differ by up to 40 minutes, too."""


class Seed(bytes):
    """Random bytes kept only in the store; half of what every sealed credential is made from. Masked in ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Seed(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """What the login came from: shown in the device list, never trusted for a decision."""

    client_id: str = "default"
    label: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One authentication of one subject on one client.

    ``renewals`` counts session tokens, ``rotations`` refresh tokens; ``version`` is the compare-and-swap counter
    of the record. ``expires_at`` is when the record may be purged: the earlier of both timeouts as last judged.
    """

    sid: SessionId
    subject: Subject
    seed: Seed
    client: ClientInfo
    generation: int
    created_at: Instant
    auth_time: Instant
    last_seen_at: Instant
    expires_at: Instant
    amr: tuple[str, ...] = ("pwd",)
    scope: str = ""
    claims: Mapping[str, object] = field(default_factory=dict[str, object])
    renewals: int = 0
    rotations: int = 0
    rotated_at: Instant | None = None
    ended_at: Instant | None = None
    end_reason: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class RevocationFloor:
    """What voids sessions from outside them: the subject's generation, and a not-before for client and everything."""

    generation: int = 0
    not_before: Instant = EPOCH


@dataclass(frozen=True, slots=True)
class LoadedSession:
    """A session with the marks it is judged under, read in one round trip.

    ``durable``: false when the write it was left by may not be as lasting yet as the store makes every write before it
    acknowledges it; ``SessionStore.wait_durable`` waits for that.
    """

    session: Session
    floor: RevocationFloor
    durable: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class CachedSession:
    """A session as some process read it from the store, for the others of this issuer.

    ``position`` and ``read_at`` (wall clock) were taken *before* it was read: whatever ended the session since is in
    the log after ``position``, with an entry dated after ``read_at``.
    """

    loaded: LoadedSession
    position: LogCursor
    read_at: Instant

    def is_recent(self, now: Instant) -> bool:
        """Whether it is recent, by either clock: every entry that could speak against it is still kept."""
        return abs(now - self.read_at) <= CACHE_TTL_SECONDS

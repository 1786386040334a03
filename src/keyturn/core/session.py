"""Session: the record behind session tokens and access tokens, and the family of its refresh tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyturn.core.feed import LogCursor
from keyturn.core.types import EPOCH, Instant, SessionId, Subject

CACHE_TTL_SECONDS = 600
"""Lifetime of a cached session in seconds.

Far below the minimum retention of revocations (one hour): the revocation that ended a session outlives every cached
copy of it, even on clocks that differ by up to 40 minutes.
"""


AUDIENCE = "aud"
"""Key of ``Session.claims``: the names that ``resource`` selected at login, a list of str. Absent: no ``resource``."""


ASKED_SCOPE = "scope"
"""Key of ``Session.claims``: the scopes that the login asked for, a list of str. Absent: none in particular."""


LOGIN_ORDER = "iat"
"""Key of ``Session.claims``: place of the login among those of its account, in microseconds since 1970.

A hybrid logical clock: later than ``created_at``, and than every session that the login found. Absent: no limit of
sessions was set at login. Access tokens have an ``iat`` of their own.
"""


class Seed(bytes):
    """Random bytes that only the store has; with the server secret, the input of every sealed credential.

    Masked in ``repr``.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Seed(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Client of a login, for display in the device list. Never used for a security decision."""

    client_id: str = "default"
    label: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Record of refresh tokens that were issued more than once (core/repeats.py).

    ``unseen_rotation``: counter of a refresh token whose response may be lost: neither the token nor a credential
    issued with it has been presented; 0 for none.
    ``late_answers``: answers to the previous refresh token after the grace window, since the last rotation.
    ``rotation``: last counter whose refresh token was issued more than once. ``in_a_row``: number of consecutive
    counters up to it of which this is true.
    """

    unseen_rotation: int = 0
    late_answers: int = 0
    rotation: int = 0
    in_a_row: int = 0


NO_REPEATS = Repeats()


def make_repeats(*counts: int) -> Repeats:
    """Return the record of four stored counts, in field order; ``NO_REPEATS`` itself if all are 0."""
    return Repeats(*counts) if any(counts) else NO_REPEATS


@dataclass(frozen=True, slots=True)
class Session:
    """One authentication of one subject on one client.

    ``renewals``: counter of session tokens. ``rotations``: counter of refresh tokens. ``version``: compare-and-swap
    counter of the record. ``expires_at``: time from which the record may be purged, the earlier of both timeouts at
    the last write. ``claims``: claims of the application for access tokens, the granted ``AUDIENCE``,
    ``ASKED_SCOPE`` and ``LOGIN_ORDER``.
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
    repeats: Repeats = NO_REPEATS


@dataclass(frozen=True, slots=True)
class RevocationFloor:
    """Lower bounds for a valid session: its subject's generation; the not-before of its client and of all sessions.

    ``suspended_before``: sessions created before are not served until an operator decides on a restored database.
    """

    generation: int = 0
    not_before: Instant = EPOCH
    suspended_before: Instant = EPOCH


@dataclass(frozen=True, slots=True)
class LoadedSession:
    """Session and its revocation floor, read in one round trip.

    ``durable``: False while the last write of the session may not have reached the durability that the store
    guarantees for acknowledged writes; ``SessionStore.wait_durable`` waits for that.
    """

    session: Session
    floor: RevocationFloor
    durable: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class CachedSession:
    """Copy of a session that one process read from the store, for the other processes of this issuer.

    ``position`` and ``read_at`` (wall clock) were taken *before* the read. A revocation that ended the session since
    is therefore in the log after ``position``, dated after ``read_at``.
    """

    loaded: LoadedSession
    position: LogCursor
    read_at: Instant

    def is_recent(self, now: Instant) -> bool:
        """Return True if the copy is recent, by either clock: every revocation that may apply to it is still kept."""
        return abs(now - self.read_at) <= CACHE_TTL_SECONDS

"""Session: the one record behind both keys. It is also its refresh tokens' family."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyturn.core.instant import NEVER, Instant, SessionId, Subject


class Seed(bytes):
    """Random bytes kept only in the store; half of what every sealed credential is made from. Masked in ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Seed(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Client:
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
    client: Client
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
class Marks:
    """What voids sessions from outside them: the subject's generation, and a not-before for client and everything."""

    generation: int = 0
    not_before: Instant = NEVER


@dataclass(frozen=True, slots=True)
class Found:
    """A session with the marks it is judged under, read in one round trip."""

    session: Session
    marks: Marks

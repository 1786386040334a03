"""Sessions in every state of their lifecycle."""

from collections.abc import Callable
from dataclasses import replace

from keyturn.core.lifecycle import SessionEvent, begin_session, renew, revoke, step_up, touch
from keyturn.core.policy import SessionPolicy
from keyturn.core.rotation import rotate
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject

POLICY = SessionPolicy(inactivity_seconds=600, overall_seconds=3600, grace_seconds=30)
START = 1_800_000_000
DRAFT = Session(
    sid=SessionId("AbCdEfGhIjKlMnOpQrStuA"),
    subject=Subject("ada"),
    seed=Seed(bytes(32)),
    client=ClientInfo("web"),
    generation=0,
    created_at=Instant(0),
    auth_time=Instant(0),
    last_seen_at=Instant(0),
    expires_at=Instant(0),
)


def at(seconds: int) -> Instant:
    return Instant(START + seconds)


def opened(**changed: object) -> Session:
    return replace(begin_session(DRAFT, RevocationFloor(2), at(0), POLICY), **changed)  # type: ignore[arg-type]


def found(session: Session, generation: int = 2, not_before: int = 0) -> LoadedSession:
    return LoadedSession(session, RevocationFloor(generation, Instant(not_before)))


ACTS: dict[SessionEvent, Callable[[LoadedSession, Instant], Session]] = {
    SessionEvent.TOUCH: lambda found, now: touch(found, now, POLICY),
    SessionEvent.RENEW: lambda found, now: renew(found, now, POLICY),
    SessionEvent.ROTATE: lambda found, now: rotate(found, 0, now, POLICY).session,
    SessionEvent.STEP_UP: lambda found, now: step_up(found, ("otp",), now, POLICY),
    SessionEvent.REVOKE: lambda found, now: revoke(found, "logout", now),
}

"""Sessions, revocations and a clock for the tests of the session cache."""

from dataclasses import replace

from keyturn.core.revocation import Revocation, RevocationKind, Verdict
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.stores.session_cache import LocalSessionCache

NOW = Instant(1_700_000_000)
LATER = Instant(NOW + 900)


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def loaded(
    sid: str = "s1", subject: str = "ada", *, marks: RevocationFloor | None = None, **changes: object
) -> LoadedSession:
    session = Session(
        SessionId(sid), Subject(subject), Seed(b"x" * 32), ClientInfo("web"), 0, NOW, NOW, NOW, Instant(NOW + 9999)
    )
    return LoadedSession(replace(session, **changes), marks or RevocationFloor())  # type: ignore[arg-type]


def entry(kind: RevocationKind, key: str, value: int, sequence: int = 1) -> Revocation:
    return Revocation(kind, key, value, NOW, LATER, sequence)


def verdict(session_cache: LocalSessionCache) -> Verdict:
    return session_cache.check("s1", "ada", 0, "web", NOW)

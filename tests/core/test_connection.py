"""Decisions about open connections."""

import pytest

from keyturn.core.connection import (
    ConnectionEnd,
    Decision,
    Reload,
    decide_refusal,
    decide_revocation,
    decide_revocations,
    decide_time,
)
from keyturn.core.principal import CredentialType, Principal
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import ClockUncertain, Refusal, SessionEnded, StoreUnavailable, TokenRevoked

ENDS, EXPIRED, UNKNOWN = ConnectionEnd.SESSION_ENDED, ConnectionEnd.TOKEN_EXPIRED, ConnectionEnd.UNKNOWN
RELOAD = Reload.RELOAD


def principal(credential: CredentialType = "session", **changed: object) -> Principal:
    made = Principal(
        Subject("ada"),
        SessionId("s1"),
        "web",
        credential,
        Instant(100),
        Instant(900),
        generation=2,
        issued_at=Instant(100),
    )
    return made._replace(**changed)


def revocation(kind: RevocationKind, key: str, value: int) -> Revocation:
    return Revocation(kind, key, value, Instant(200), Instant(4000), 1)


@pytest.mark.parametrize(
    ("entry", "by_session", "by_token"),
    [
        (revocation(RevocationKind.SESSION, "s1", ENDED), ENDS, ENDS),
        (revocation(RevocationKind.SESSION, "s1", 1), None, None),
        (revocation(RevocationKind.SUBJECT, "ada", 2), None, None),
        (revocation(RevocationKind.SUBJECT, "ada", 3), RELOAD, ENDS),
        (revocation(RevocationKind.CLIENT, "web", 100), None, None),
        (revocation(RevocationKind.CLIENT, "web", 101), ENDS, ENDS),
        (revocation(RevocationKind.EVERYTHING, "", 100), None, None),
        (revocation(RevocationKind.EVERYTHING, "", 101), ENDS, ENDS),
    ],
    ids=["ended", "renewed", "own generation", "next generation", "client now", "client", "everything now", "all"],
)
def test_a_revocation_ends_the_connections_of_what_it_revokes(
    entry: Revocation, by_session: Decision, by_token: Decision
) -> None:
    known = RevocationSet()
    known.apply(entry)
    for credential, expected in (("session", by_session), ("access", by_token)):
        assert decide_revocation(principal(credential), entry) is expected  # type: ignore[arg-type]
        assert decide_revocations(principal(credential), known) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("credential", ["session", "access"])
def test_known_revocations_of_others_end_no_connection(credential: CredentialType) -> None:
    known = RevocationSet()
    for kind, key in ((RevocationKind.SESSION, "s2"), (RevocationKind.SUBJECT, "bob"), (RevocationKind.CLIENT, "tv")):
        known.apply(revocation(kind, key, ENDED))
    assert decide_revocations(principal(credential), known) is None


def test_a_connection_of_a_suspended_session_is_unknown_unless_it_is_revoked() -> None:
    known = RevocationSet()
    assert decide_revocations(principal(), known, suspended_before=100) is None
    assert decide_revocations(principal(), known, suspended_before=101) is UNKNOWN
    known.apply(revocation(RevocationKind.SESSION, "s1", ENDED))
    assert decide_revocations(principal(), known, suspended_before=101) is ENDS


def test_a_token_without_a_generation_is_not_below_the_first() -> None:
    assert decide_revocations(principal("access", generation=-1), RevocationSet()) is None


def test_a_connection_lives_until_its_credential_ends() -> None:
    for credential, end in (("session", RELOAD), ("access", EXPIRED)):
        assert decide_time(principal(credential), 899.9) is None  # type: ignore[arg-type]
        assert decide_time(principal(credential), 900.0) is end  # type: ignore[arg-type]


def test_a_token_expired_by_one_of_two_clocks_is_unknown() -> None:
    assert decide_time(principal("access"), 800.0, 99.0) is None
    assert decide_time(principal("access"), 800.0, 100.0) is UNKNOWN
    assert decide_time(principal("access"), 900.0, 100.0) is EXPIRED
    assert decide_time(principal(), 800.0, 100.0) is RELOAD


@pytest.mark.parametrize(
    ("refusal", "end"),
    [(TokenRevoked(), ENDS), (SessionEnded(), ENDS), (ClockUncertain(), UNKNOWN), (StoreUnavailable(), UNKNOWN)],
    ids=lambda each: type(each).__name__,
)
def test_only_a_refused_session_has_ended(refusal: Refusal, end: ConnectionEnd) -> None:
    assert decide_refusal(refusal) is end

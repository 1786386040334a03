"""A lost response, end to end: which requests show that the client has received the newest refresh token."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from flows.race import run_against
from flows.unavailable_store import ReadOnlyStore, UnavailableStore, fresh_session_cache
from interleavings.harness import NEW, OLD, T0
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.repeats import is_unseen
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.errors import StepUpRequired, StoreUnavailable, TokenReused, TokenRevoked
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_subject
from keyturn.flows.step_up import confirm_password
from keyturn.flows.successor import record_use
from keyturn.flows.verify import verify_access, verify_session

LATE = 3000


class CountingSessions:
    """A session store that counts its calls."""

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions
        self.calls: list[str] = []

    def __getattr__(self, verb: str) -> Any:
        self.calls.append(verb)
        return getattr(self._sessions, verb)


class RecordingAudit:
    """An audit log that keeps events with their addresses."""

    def __init__(self) -> None:
        self.events: list[tuple[AuditEventType, str]] = []

    def append(self, event: AuditEvent) -> None:
        self.events.append((event.event, event.address))


def with_policy(flows: FlowFixture, **changes: Any) -> FlowFixture:
    profile = flows.realm.profile
    session = replace(profile.session, lost_response_seconds=86_400, **changes)
    flows.realm = replace(flows.realm, profile=replace(profile, session=session))
    flows.x = flows.run(login(flows.attempt(OLD), T0, flows.realm))
    return flows


@pytest.fixture
def flows() -> FlowFixture:
    return with_policy(FlowFixture())


def rotate(flows: FlowFixture, counter: int = 0, seconds: int = 0, address: str = "") -> Flow[IssuedCredentials]:
    token = flows.sealed(CredentialKind.REFRESH, counter)
    return refresh(token, "both", later(seconds), flows.realm, address=address)


def stored(flows: FlowFixture) -> Session:
    found = flows.store.sessions.load(flows.sid)
    assert found
    return found.session


def text_of(token: Any) -> str:
    return str(token.reveal())


def test_a_late_refresh_gets_the_same_successor_and_an_event_with_its_address(flows: FlowFixture) -> None:
    audit = RecordingAudit()
    lost = flows.run(rotate(flows, address="192.0.2.1"), audit=audit)
    assert audit.events == []
    flows.run(rotate(flows, address="192.0.2.2"))
    late = flows.run(rotate(flows, seconds=LATE, address="192.0.2.3"))
    assert text_of(late.refresh_token) == text_of(lost.refresh_token)
    flows.run(rotate(flows, seconds=LATE, address="192.0.2.4"))
    refused(flows, TokenReused, rotate(flows, seconds=LATE, address="192.0.2.5"))
    assert audit.events == [
        (AuditEventType.REFRESH_REPEATED, "192.0.2.2"),
        (AuditEventType.REFRESH_LATE, "192.0.2.3"),
        (AuditEventType.REFRESH_LATE, "192.0.2.4"),
        (AuditEventType.TOKEN_REUSED, "192.0.2.5"),
    ]
    assert [each.key for each in flows.store.log.snapshot().entries] == [flows.sid]
    refused(flows, TokenRevoked, rotate(flows, 1, LATE))


def test_the_third_late_refresh_asks_for_a_step_up_and_revokes_nothing() -> None:
    flows, audit = with_policy(FlowFixture(), repeat_action="step_up"), RecordingAudit()
    lost = flows.run(rotate(flows), audit=audit)
    for _ in range(2):
        flows.run(rotate(flows, seconds=LATE))
    for counter in (0, 0, 1):
        refused(flows, StepUpRequired, rotate(flows, counter, LATE))
    assert [event for event, _ in audit.events] == [
        AuditEventType.REFRESH_LATE,
        AuditEventType.REFRESH_LATE,
        AuditEventType.STEP_UP_REQUIRED,
    ]
    assert flows.store.log.snapshot().entries == ()
    stepped = flows.run(confirm_password(flows.sid, OLD, "both", later(LATE), flows.realm))
    assert text_of(stepped.refresh_token) == flows.sealed(CredentialKind.REFRESH, 2) != text_of(lost.refresh_token)
    assert flows.run(rotate(flows, 2, LATE)).session.rotations == 3


def test_a_retired_token_does_not_outlast_a_password_change(flows: FlowFixture) -> None:
    flows.run(rotate(flows))
    flows.run(change_password(flows.sid, OLD, NEW, "cookie", T0, flows.realm))
    refused(flows, TokenReused, rotate(flows, seconds=LATE))


def test_a_retired_token_does_not_outlast_a_revocation(flows: FlowFixture) -> None:
    flows.run(rotate(flows))
    flows.run(revoke_subject(flows.x.subject, T0, flows.realm))
    refused(flows, TokenRevoked, rotate(flows, seconds=LATE))


# --- which requests are a use of the successor ---------------------------------------------------------------

Present = Callable[[FlowFixture, IssuedCredentials], Flow[Any]]
USES: dict[str, Present] = {
    "access": lambda f, issued: verify_access(text_of(issued.access_token), T0, f.realm),
    "cookie": lambda f, issued: verify_session(text_of(issued.session_token), T0, f.realm),
    "introspected access": lambda f, issued: introspect(text_of(issued.access_token), T0, f.realm),
    "introspected cookie": lambda f, issued: introspect(text_of(issued.session_token), T0, f.realm),
    "introspected refresh": lambda f, issued: introspect(text_of(issued.refresh_token), T0, f.realm),
}


@pytest.mark.parametrize("present", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.conforms("RFC 9700 4.14.2 (a lost response)")
def test_a_credential_of_the_successor_that_an_issuer_sees_makes_the_old_one_reuse(
    flows: FlowFixture, present: Present, is_cached: bool
) -> None:
    if is_cached:
        flows.ports.session_cache = fresh_session_cache()
        flows.run(verify_session(text_of(flows.x.session_token), T0, flows.realm))
    issued = flows.run(rotate(flows))
    assert is_unseen(stored(flows))
    assert flows.run(present(flows, issued)) != {"active": False}
    assert not is_unseen(stored(flows))
    refused(flows, TokenReused, rotate(flows, seconds=LATE))


@pytest.mark.parametrize("use", ["access", "introspected access"])
def test_an_access_token_of_the_rotation_before_proves_nothing(flows: FlowFixture, use: str) -> None:
    """The client goes on with the access token it has: it is not known to have received the next one."""
    flows.run(rotate(flows))
    flows.run(USES[use](flows, flows.x))
    assert is_unseen(stored(flows))
    assert flows.run(rotate(flows, seconds=LATE)).session.rotations == 1


def test_an_access_token_that_names_no_rotation_counts_as_one_of_the_newest(flows: FlowFixture) -> None:
    """In doubt the former rule: an issuer of the version before may have issued it for the successor."""
    flows.run(rotate(flows))
    token = text_of(flows.x.access_token).replace('"rot": 0, ', "")
    assert '"rot"' not in token
    flows.run(verify_access(token, T0, flows.realm))
    refused(flows, TokenReused, rotate(flows, seconds=LATE))


def test_access_tokens_name_their_rotation_only_under_the_policy(flows: FlowFixture) -> None:
    assert '"rot": 1,' in text_of(flows.run(rotate(flows)).access_token)
    assert '"rot"' not in text_of(FlowFixture().x.access_token)


def test_a_cookie_cached_before_the_rotation_is_recorded_with_its_next_touch(flows: FlowFixture) -> None:
    elsewhere = fresh_session_cache()
    token = text_of(flows.x.session_token)
    flows.run(verify_session(token, T0, flows.realm), session_cache=elsewhere)
    flows.run(rotate(flows), session_cache=fresh_session_cache())
    flows.run(verify_session(token, later(59), flows.realm), session_cache=elsewhere)
    assert is_unseen(stored(flows))
    flows.run(verify_session(token, later(60), flows.realm))
    assert not is_unseen(stored(flows))


def test_an_access_token_is_recorded_where_the_session_was_cached_before_the_rotation(flows: FlowFixture) -> None:
    elsewhere = fresh_session_cache()
    flows.run(verify_session(text_of(flows.x.session_token), T0, flows.realm), session_cache=elsewhere)
    issued = flows.run(rotate(flows), session_cache=fresh_session_cache())
    flows.run(USES["access"](flows, issued), session_cache=elsewhere)
    assert not is_unseen(stored(flows))


# --- cost, races and failures --------------------------------------------------------------------------------


def test_a_use_is_written_once_and_then_read_from_the_cache(flows: FlowFixture) -> None:
    flows.ports.session_cache = fresh_session_cache()
    issued = flows.run(rotate(flows))
    flows.ports.sessions = counting = CountingSessions(flows.store.sessions)
    for _ in range(3):
        flows.run(USES["access"](flows, issued))
    assert counting.calls == ["load", "replace"]
    flows.run(USES["access"](flows, issued), session_cache=fresh_session_cache())
    flows.run(USES["access"](flows, issued))
    assert counting.calls == ["load", "replace", "load"], "another process reads once and writes nothing"
    flows.run(USES["cookie"](flows, issued))
    assert len(counting.calls) == 3


def test_without_the_policy_an_access_token_asks_no_session() -> None:
    flows = FlowFixture()
    flows.ports.session_cache, flows.ports.sessions = fresh_session_cache(), UnavailableStore()
    assert flows.run(verify_access(flows.access(), T0, flows.realm)).sid == flows.sid


def test_a_store_that_is_away_takes_no_access_token_away_and_the_next_use_is_recorded(flows: FlowFixture) -> None:
    flows.ports.session_cache = fresh_session_cache()
    issued = flows.run(rotate(flows))
    for away in (UnavailableStore(), ReadOnlyStore(flows.store.sessions, StoreUnavailable("full"))):
        assert flows.run(USES["access"](flows, issued), sessions=away).sid == flows.sid
    assert is_unseen(stored(flows))
    for name in ("introspected access", "introspected refresh"):
        away = ReadOnlyStore(flows.store.sessions, StoreUnavailable("full"))
        assert flows.run(USES[name](flows, issued), sessions=away)["active"] is True
    flows.run(USES["access"](flows, issued), sessions=flows.store.sessions)
    assert not is_unseen(stored(flows))


def test_a_use_that_loses_to_the_next_rotation_records_nothing_of_it(flows: FlowFixture) -> None:
    issued = flows.run(rotate(flows))
    use = USES["access"](flows, issued)
    run_against(flows, use, "sessions.replace", lambda: flows.run(rotate(flows, 1)))
    assert (stored(flows).rotations, is_unseen(stored(flows))) == (2, True)


def test_a_late_refresh_that_loses_to_a_use_of_the_successor_is_reuse(flows: FlowFixture) -> None:
    issued = flows.run(rotate(flows))
    rival = USES["access"](flows, issued)
    with pytest.raises(TokenReused):
        run_against(flows, rotate(flows, seconds=LATE), "sessions.replace", lambda: flows.run(rival))


def test_the_use_of_a_session_that_is_gone_records_nothing(flows: FlowFixture) -> None:
    flows.store.sessions.purge(later(10**9))
    flows.run(record_use(flows.sid))
    assert flows.store.sessions.load(flows.sid) is None

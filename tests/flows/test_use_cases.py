"""Each flow in its finer cases: who is counted, who is asked, what is said, and what stays silent."""

from typing import Any

import pytest

from flows.catalogue import KEYS, Busy, Stage, Strict, ended, later, refused
from flows.unavailable_store import Away, Unsettled, near
from interleavings.harness import ADA, NEW, OLD, T0, realm
from keyturn.core.audit import AuditEventType
from keyturn.core.policy import ThrottlePolicy
from keyturn.core.sealed import CredentialKind
from keyturn.core.types import Instant
from keyturn.errors import (
    CounterAhead,
    CsrfTokenRequired,
    LoginFailed,
    Overloaded,
    PasswordRejected,
    Throttled,
    TokenReused,
    TokenRevoked,
)
from keyturn.flows.accounts import set_disabled
from keyturn.flows.csrf import csrf_token_of, verify_csrf_token
from keyturn.flows.end_previous_login import revoke_previous_sessions
from keyturn.flows.introspect import introspect, session_id_of_token
from keyturn.flows.keys import roll_keys
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revocation_pages import page_after, snapshot_page
from keyturn.flows.revoke import revoke_session
from keyturn.flows.sessions import list_sessions
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_session


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- passwords ------------------------------------------------------------------------------------------------


def test_a_password_that_may_not_be_chosen(stage: Stage) -> None:
    refused(stage, PasswordRejected, signup(stage.attempt(OLD, "bob@example.com"), T0, stage.realm), passwords=Strict())
    refused(stage, PasswordRejected, change_password(stage.sid, OLD, NEW, None, T0, stage.realm), passwords=Strict())
    assert stage.store.accounts.find("bob@example.com") is None
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm))


def test_no_room_to_hash_counts_no_attempt(stage: Stage) -> None:
    """A flood of logins causes retries; they must not lock the person out."""
    for _ in range(3):
        refused(stage, Overloaded, login(stage.attempt(OLD), T0, stage.realm), hasher=Busy())
        refused(stage, Overloaded, confirm_password(stage.sid, OLD, None, T0, stage.realm))
    buckets = stage.store.throttles._buckets
    assert [key for key, each in buckets.items() if each.level and not key.startswith("signup")] == []


def test_a_disabled_account(stage: Stage) -> None:
    stage.run(set_disabled(stage.x.session.subject, True, T0, stage.realm))
    refused(stage, LoginFailed, login(stage.attempt(OLD), T0, stage.realm))
    stage.run(set_disabled(stage.x.session.subject, False, T0, stage.realm))
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm))
    refused(stage, TokenRevoked, refresh(stage.sealed(CredentialKind.REFRESH, 0), "tokens", T0, stage.realm))


def test_too_many_attempts(stage: Stage) -> None:
    tight = realm(ThrottlePolicy(account_limit=2, device_limit=1, address_limit=1000, signup_limit=1))
    for _ in range(2):
        refused(stage, LoginFailed, login(stage.attempt(NEW), T0, tight))
    assert refused(stage, Throttled, login(stage.attempt(OLD), T0, tight)).retry_after_seconds > 0
    # The owner's own device is counted alone, and so is every session.
    device = stage.x.device_token.reveal() if stage.x.device_token else ""
    assert stage.run(login(stage.attempt(OLD, device_token=device), T0, tight))
    refused(stage, LoginFailed, confirm_password(stage.sid, NEW, None, T0, tight))
    refused(stage, Throttled, confirm_password(stage.sid, OLD, None, T0, tight))
    refused(stage, Throttled, signup(stage.attempt(OLD, "bob@example.com"), T0, tight))


def test_a_refused_bucket_gives_the_other_back(stage: Stage) -> None:
    tight = realm(ThrottlePolicy(account_limit=1, address_limit=100))
    refused(stage, LoginFailed, login(stage.attempt(NEW), T0, tight))
    level = stage.store.throttles._buckets["address:192.0.2.1"].level
    refused(stage, Throttled, login(stage.attempt(NEW), T0, tight))
    assert stage.store.throttles._buckets["address:192.0.2.1"].level == level


def test_a_bucket_purged_meanwhile_needs_nothing_back(stage: Stage) -> None:
    class Purging:
        def verify(self, encoded: str | None, password: str) -> Any:
            stage.store.throttles.purge(later(100_000))
            return stage_hasher.verify(encoded, password)

    stage_hasher = stage.ports.hasher
    assert stage.run(login(stage.attempt(OLD), T0, stage.realm), hasher=Purging())


# --- refresh --------------------------------------------------------------------------------------------------


class Ledger:
    """An audit log that can be read."""

    def __init__(self) -> None:
        self.events: list[tuple[AuditEventType, str]] = []

    def append(self, event: Any) -> None:
        self.events.append((event.event, event.subject))


def test_a_retired_token_ends_the_family_and_alarms(stage: Stage) -> None:
    audit = Ledger()
    for counter in (0, 1):
        stage.run(refresh(stage.sealed(CredentialKind.REFRESH, counter), "tokens", T0, stage.realm), audit=audit)
    refused(stage, TokenReused, refresh(stage.sealed(CredentialKind.REFRESH, 0), "tokens", T0, stage.realm))
    refused(stage, TokenRevoked, refresh(stage.sealed(CredentialKind.REFRESH, 2), "tokens", T0, stage.realm))
    assert audit.events == [(AuditEventType.TOKEN_REUSED, stage.x.subject)]
    refused(stage, CounterAhead, refresh(stage.sealed(CredentialKind.REFRESH, 7, stage.y), "tokens", T0, stage.realm))
    assert audit.events == [
        (AuditEventType.TOKEN_REUSED, stage.x.subject),
        (AuditEventType.COUNTER_AHEAD, stage.y.subject),
    ]


def test_a_rotation_answered_again_is_waited_for_and_judged_again_when_it_is_gone(stage: Stage) -> None:
    token, sessions = stage.sealed(CredentialKind.REFRESH, 0), Unsettled(stage.store.sessions, False, True)
    first = stage.run(refresh(token, "tokens", T0, stage.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "its own write was waited for by the store"
    again = stage.run(refresh(token, "tokens", T0, stage.realm), sessions=sessions)
    assert (again.refresh_token.reveal(), sessions.answers) == (first.refresh_token.reveal(), [])


def test_a_revocation_that_is_repeated_is_acknowledged_when_what_it_read_lasts(stage: Stage) -> None:
    """P1: with a standby that is waited for, what a primary reads after a crash may still be lost."""
    sessions = Unsettled(stage.store.sessions, False, True)
    first = stage.run(revoke_session(stage.sid, "logout", T0, stage.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "its own write was waited for by the store"
    again = stage.run(revoke_session(stage.sid, "logout", T0, stage.realm), sessions=sessions)
    assert (again.sequence, sessions.answers) == (first.sequence, [])


# --- the rest -------------------------------------------------------------------------------------------------


def test_introspection_tells_nothing_of_what_is_not_good(stage: Stage) -> None:
    def active(token: str, now: Instant = T0) -> object:
        return stage.run(introspect(token, now, stage.realm))["active"]

    tokens = [stage.sealed(CredentialKind.SESSION, 0), stage.sealed(CredentialKind.REFRESH, 0), stage.access()]
    assert all(active(each) for each in tokens)
    assert not any(active(each, later(3600)) for each in tokens)
    assert not any(map(active, ("x", stage.sealed(CredentialKind.SESSION, 1), stage.sealed(CredentialKind.REFRESH, 1))))
    ended(stage)
    assert not any(map(active, tokens))


def test_introspection_says_what_rfc_7662_asks_for(stage: Stage) -> None:
    session = stage.run(introspect(stage.sealed(CredentialKind.REFRESH, 0), T0, stage.realm))
    access = stage.run(introspect(stage.access(), T0, stage.realm))
    for answer in (session, access):
        assert answer["sub"] == stage.x.session.subject
        assert answer["iss"] == stage.realm.issuer
        assert answer["sid"] == stage.sid
    assert (session["token_type"], access["token_type"]) == ("refresh_token", "Bearer")


def test_the_session_behind_any_credential(stage: Stage) -> None:
    tokens = [stage.sealed(CredentialKind.SESSION, 0), stage.sealed(CredentialKind.REFRESH, 0), stage.access()]
    assert {stage.run(session_id_of_token(each, T0, stage.realm)) for each in tokens} == {stage.sid}


def test_a_browser_that_logs_in_again_holds_one_login(stage: Stage) -> None:
    own, other = stage.sealed(CredentialKind.SESSION, 0), stage.sealed(CredentialKind.SESSION, 0, stage.y)
    stage.run(revoke_previous_sessions(["x", own, other], stage.sid, T0, stage.realm))
    devices = stage.run(list_sessions(stage.x.session.subject, T0, stage.realm))
    assert [each.sid for each in devices] == [stage.sid]


def test_csrf_tokens_need_no_store_while_the_session_is_near(stage: Stage) -> None:
    stage.ports.session_cache = near()
    stage.run(verify_session(stage.sealed(CredentialKind.SESSION, 0), T0, stage.realm))
    token = stage.run(csrf_token_of(stage.sid, stage.realm), sessions=Away())
    stage.run(verify_csrf_token(token.reveal(), stage.sid, stage.realm))


def test_a_csrf_token_of_a_session_that_is_gone(stage: Stage) -> None:
    token = stage.sealed(CredentialKind.CSRF, 0)
    stage.store.sessions.purge(later(100_000))
    refused(stage, CsrfTokenRequired, verify_csrf_token(token, stage.sid, stage.realm))


def test_the_feed_as_a_snapshot_and_as_a_page(stage: Stage) -> None:
    ended(stage)
    snapshot, page = stage.run(snapshot_page(0)), stage.run(page_after(0))
    assert snapshot.entries == page.entries
    assert stage.run(page_after(1)).entries == ()


def test_keys_are_made_ahead_once_and_dropped_when_dead(stage: Stage) -> None:
    first = stage.run(roll_keys("EdDSA", T0, KEYS))
    assert first == stage.run(roll_keys("EdDSA", T0, KEYS))
    serials: set[int] = set()
    for turn in range(1, 5):
        serials = {each.serial for each in stage.run(roll_keys("EdDSA", later(1000 * turn), KEYS))}
    assert 1 not in serials
    assert {each.serial for each in stage.store.keys.list()} == serials


def test_an_account_that_vanished(stage: Stage) -> None:
    """A session may outlive its account: the same answer as for a wrong password."""
    stage.store.accounts._accounts.clear()
    stage.store.accounts._subjects.clear()
    refused(stage, LoginFailed, confirm_password(stage.sid, OLD, None, T0, stage.realm))
    refused(stage, LoginFailed, change_password(stage.sid, OLD, NEW, None, T0, stage.realm))
    refused(stage, LoginFailed, login(stage.attempt(OLD, ADA), T0, stage.realm))

"""Special cases of each flow: counted attempts, effects, replies and audit events."""

from typing import Any

import pytest

from flows.catalogue import KEYS, FlowFixture, OverloadedHasher, RejectingPolicy, ended, later, refused
from flows.unavailable_store import UnavailableStore, UndurableStore, fresh_session_cache
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
from keyturn.flows.introspect import introspect, load_session_of_token
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
def flows() -> FlowFixture:
    return FlowFixture()


# --- passwords ------------------------------------------------------------------------------------------------


def test_a_password_that_may_not_be_chosen(flows: FlowFixture) -> None:
    refused(
        flows,
        PasswordRejected,
        signup(flows.attempt(OLD, "bob@example.com"), T0, flows.realm),
        passwords=RejectingPolicy(),
    )
    refused(
        flows,
        PasswordRejected,
        change_password(flows.sid, OLD, NEW, None, T0, flows.realm),
        passwords=RejectingPolicy(),
    )
    assert flows.store.accounts.find("bob@example.com") is None
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm))


def test_no_room_to_hash_counts_no_attempt(flows: FlowFixture) -> None:
    """A flood of logins causes retries; they must not lock the person out."""
    for _ in range(3):
        refused(flows, Overloaded, login(flows.attempt(OLD), T0, flows.realm), hasher=OverloadedHasher())
        refused(flows, Overloaded, confirm_password(flows.sid, OLD, None, T0, flows.realm))
    buckets = flows.store.throttles._buckets
    assert [key for key, each in buckets.items() if each.level and not key.startswith("signup")] == []


def test_a_disabled_account(flows: FlowFixture) -> None:
    flows.run(set_disabled(flows.x.session.subject, True, T0, flows.realm))
    refused(flows, LoginFailed, login(flows.attempt(OLD), T0, flows.realm))
    flows.run(set_disabled(flows.x.session.subject, False, T0, flows.realm))
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm))
    refused(flows, TokenRevoked, refresh(flows.sealed(CredentialKind.REFRESH, 0), "tokens", T0, flows.realm))


def test_too_many_attempts(flows: FlowFixture) -> None:
    tight = realm(ThrottlePolicy(account_limit=2, device_limit=1, address_limit=1000, signup_limit=1))
    for _ in range(2):
        refused(flows, LoginFailed, login(flows.attempt(NEW), T0, tight))
    assert refused(flows, Throttled, login(flows.attempt(OLD), T0, tight)).retry_after_seconds > 0
    # The owner's own device is counted alone, and so is every session.
    device = flows.x.device_token.reveal() if flows.x.device_token else ""
    assert flows.run(login(flows.attempt(OLD, device_token=device), T0, tight))
    refused(flows, LoginFailed, confirm_password(flows.sid, NEW, None, T0, tight))
    refused(flows, Throttled, confirm_password(flows.sid, OLD, None, T0, tight))
    refused(flows, Throttled, signup(flows.attempt(OLD, "bob@example.com"), T0, tight))


def test_a_refused_bucket_gives_the_other_back(flows: FlowFixture) -> None:
    tight = realm(ThrottlePolicy(account_limit=1, address_limit=100))
    refused(flows, LoginFailed, login(flows.attempt(NEW), T0, tight))
    level = flows.store.throttles._buckets["address:192.0.2.1"].level
    refused(flows, Throttled, login(flows.attempt(NEW), T0, tight))
    assert flows.store.throttles._buckets["address:192.0.2.1"].level == level


def test_a_release_ignores_a_purged_bucket(flows: FlowFixture) -> None:
    class Purging:
        def verify(self, encoded: str | None, password: str, identifier: str = "") -> Any:
            flows.store.throttles.purge(later(100_000))
            return stage_hasher.verify(encoded, password)

    stage_hasher = flows.ports.hasher
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm), hasher=Purging())


# --- refresh --------------------------------------------------------------------------------------------------


class Ledger:
    """An audit log that can be read."""

    def __init__(self) -> None:
        self.events: list[tuple[AuditEventType, str]] = []

    def append(self, event: Any) -> None:
        self.events.append((event.event, event.subject))


def test_a_retired_token_ends_the_family_and_alarms(flows: FlowFixture) -> None:
    audit = Ledger()
    for counter in (0, 1):
        flows.run(refresh(flows.sealed(CredentialKind.REFRESH, counter), "tokens", T0, flows.realm), audit=audit)
    refused(flows, TokenReused, refresh(flows.sealed(CredentialKind.REFRESH, 0), "tokens", T0, flows.realm))
    refused(flows, TokenRevoked, refresh(flows.sealed(CredentialKind.REFRESH, 2), "tokens", T0, flows.realm))
    assert audit.events == [(AuditEventType.TOKEN_REUSED, flows.x.subject)]
    refused(flows, CounterAhead, refresh(flows.sealed(CredentialKind.REFRESH, 7, flows.y), "tokens", T0, flows.realm))
    assert audit.events == [
        (AuditEventType.TOKEN_REUSED, flows.x.subject),
        (AuditEventType.COUNTER_AHEAD, flows.y.subject),
    ]


def test_a_repeated_rotation_waits_for_durability_and_reloads_when_it_is_lost(flows: FlowFixture) -> None:
    token, sessions = flows.sealed(CredentialKind.REFRESH, 0), UndurableStore(flows.store.sessions, False, True)
    first = flows.run(refresh(token, "tokens", T0, flows.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "its own write was waited for by the store"
    flows.run(refresh(token, "tokens", T0, flows.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "the first repeat is counted, which is a write of its own"
    again = flows.run(refresh(token, "tokens", T0, flows.realm), sessions=sessions)
    assert (again.refresh_token.reveal(), sessions.answers) == (first.refresh_token.reveal(), [])


def test_a_repeated_revocation_waits_for_durability(flows: FlowFixture) -> None:
    """P1: with a standby that is waited for, what a primary reads after a crash may still be lost."""
    sessions = UndurableStore(flows.store.sessions, False, True)
    first = flows.run(revoke_session(flows.sid, "logout", T0, flows.realm), sessions=sessions)
    assert len(sessions.answers) == 2, "its own write was waited for by the store"
    again = flows.run(revoke_session(flows.sid, "logout", T0, flows.realm), sessions=sessions)
    assert (again.sequence, sessions.answers) == (first.sequence, [])


# --- the rest -------------------------------------------------------------------------------------------------


def test_introspection_of_an_invalid_token_is_inactive(flows: FlowFixture) -> None:
    def active(token: str, now: Instant = T0) -> object:
        return flows.run(introspect(token, now, flows.realm))["active"]

    tokens = [flows.sealed(CredentialKind.SESSION, 0), flows.sealed(CredentialKind.REFRESH, 0), flows.access()]
    assert all(active(each) for each in tokens)
    assert not any(active(each, later(3600)) for each in tokens)
    assert not any(map(active, ("x", flows.sealed(CredentialKind.SESSION, 1), flows.sealed(CredentialKind.REFRESH, 1))))
    ended(flows)
    assert not any(map(active, tokens))


def test_introspection_returns_the_members_of_rfc_7662(flows: FlowFixture) -> None:
    session = flows.run(introspect(flows.sealed(CredentialKind.REFRESH, 0), T0, flows.realm))
    access = flows.run(introspect(flows.access(), T0, flows.realm))
    for answer in (session, access):
        assert answer["sub"] == flows.x.session.subject
        assert answer["iss"] == flows.realm.issuer
        assert answer["sid"] == flows.sid
    assert (session["token_type"], access["token_type"]) == ("refresh_token", "Bearer")


def test_the_session_behind_any_credential(flows: FlowFixture) -> None:
    tokens = [flows.sealed(CredentialKind.SESSION, 0), flows.sealed(CredentialKind.REFRESH, 0), flows.access()]
    assert {flows.run(load_session_of_token(each, T0, flows.realm)).session.sid for each in tokens} == {flows.sid}


def test_a_repeated_login_ends_the_previous_session(flows: FlowFixture) -> None:
    own, other = flows.sealed(CredentialKind.SESSION, 0), flows.sealed(CredentialKind.SESSION, 0, flows.y)
    flows.run(revoke_previous_sessions(["x", own, other], flows.sid, T0, flows.realm))
    devices = flows.run(list_sessions(flows.x.session.subject, T0, flows.realm))
    assert [each.sid for each in devices] == [flows.sid]


def test_csrf_tokens_need_no_store_while_the_session_is_near(flows: FlowFixture) -> None:
    flows.ports.session_cache = fresh_session_cache()
    flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))
    token = flows.run(csrf_token_of(flows.sid, flows.realm), sessions=UnavailableStore())
    flows.run(verify_csrf_token(token.reveal(), flows.sid, flows.realm))


def test_a_csrf_token_of_a_purged_session_is_refused(flows: FlowFixture) -> None:
    token = flows.sealed(CredentialKind.CSRF, 0)
    flows.store.sessions.purge(later(100_000))
    refused(flows, CsrfTokenRequired, verify_csrf_token(token, flows.sid, flows.realm))


def test_the_feed_as_a_snapshot_and_as_a_page(flows: FlowFixture) -> None:
    ended(flows)
    snapshot, page = flows.run(snapshot_page(0)), flows.run(page_after(0))
    assert snapshot.entries == page.entries
    assert flows.run(page_after(1)).entries == ()


def test_keys_are_made_ahead_once_and_dropped_when_dead(flows: FlowFixture) -> None:
    first = flows.run(roll_keys("EdDSA", T0, KEYS))
    assert first == flows.run(roll_keys("EdDSA", T0, KEYS))
    serials: set[int] = set()
    for turn in range(1, 5):
        serials = {each.serial for each in flows.run(roll_keys("EdDSA", later(1000 * turn), KEYS))}
    assert 1 not in serials
    assert {each.serial for each in flows.store.keys.list()} == serials


def test_an_account_that_vanished(flows: FlowFixture) -> None:
    """A session may outlive its account: the same answer as for a wrong password."""
    flows.store.accounts._accounts.clear()
    flows.store.accounts._subjects.clear()
    refused(flows, LoginFailed, confirm_password(flows.sid, OLD, None, T0, flows.realm))
    refused(flows, LoginFailed, change_password(flows.sid, OLD, NEW, None, T0, flows.realm))
    refused(flows, LoginFailed, login(flows.attempt(OLD, ADA), T0, flows.realm))

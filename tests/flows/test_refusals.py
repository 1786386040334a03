"""Each flow, each way it says no: exactly one typed refusal, and nothing changed by it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, ended, forged, later, refused
from interleavings.harness import NEW, OLD, T0
from interleavings.state import SystemState, freeze
from keyturn.core.sealed import CredentialKind
from keyturn.core.types import SessionId, Subject
from keyturn.errors import (
    AccountExists,
    CounterAhead,
    CredentialsNotOffered,
    CsrfTokenRequired,
    InvalidMember,
    LoginFailed,
    NotFound,
    PayloadRefused,
    Refusal,
    SessionEnded,
    TokenExpired,
    TokenInvalid,
    TokenMalformed,
    TokenNotYetValid,
    TokenRevoked,
)
from keyturn.flows.accounts import set_disabled
from keyturn.flows.csrf import csrf_token_of, verify_csrf_token
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect, load_session_of_token
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_session
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session

GONE = SessionId("A" * 22)
Start = Callable[[FlowFixture], Flow[Any]]


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


REFUSALS: dict[str, tuple[type[Refusal], Start]] = {
    "signup taken": (AccountExists, lambda s: signup(s.attempt(OLD), T0, s.realm)),
    "signup malformed": (InvalidMember, lambda s: signup(s.attempt(OLD, "nobody"), T0, s.realm)),
    "signup payload": (PayloadRefused, lambda s: signup(s.attempt(OLD, claims={"password": "x"}), T0, s.realm)),
    "login wrong": (LoginFailed, lambda s: login(s.attempt(NEW), T0, s.realm)),
    "login unknown": (LoginFailed, lambda s: login(s.attempt(OLD, "bob@example.com"), T0, s.realm)),
    "login payload": (PayloadRefused, lambda s: login(s.attempt(OLD, claims={"password": "x"}), T0, s.realm)),
    "verify malformed": (TokenMalformed, lambda s: verify_session("x", T0, s.realm)),
    "verify another kind": (TokenMalformed, lambda s: verify_session(s.sealed(CredentialKind.REFRESH, 0), T0, s.realm)),
    "verify forged": (TokenInvalid, lambda s: verify_session(forged(s, CredentialKind.SESSION), T0, s.realm)),
    "verify ahead": (CounterAhead, lambda s: verify_session(s.sealed(CredentialKind.SESSION, 1), T0, s.realm)),
    "verify idle": (SessionEnded, lambda s: verify_session(s.sealed(CredentialKind.SESSION, 0), later(3600), s.realm)),
    "access not ours": (TokenInvalid, lambda s: verify_access("x", T0, s.realm)),
    "access expired": (TokenExpired, lambda s: verify_access(s.access(), later(605), s.realm)),
    "access not yet": (TokenNotYetValid, lambda s: verify_access(s.access(), later(-6), s.realm)),
    "access of another issuer": (
        TokenInvalid,
        lambda s: verify_access(s.access(), T0, replace(s.realm, issuer="https://other.example")),
    ),
    "access for another": (TokenInvalid, lambda s: verify_access(s.access(), T0, replace(s.realm, audience=("x",)))),
    "refresh malformed": (TokenMalformed, lambda s: refresh("x", "tokens", T0, s.realm)),
    "refresh forged": (TokenInvalid, lambda s: refresh(forged(s, CredentialKind.REFRESH), "tokens", T0, s.realm)),
    "refresh ahead": (CounterAhead, lambda s: refresh(s.sealed(CredentialKind.REFRESH, 1), "tokens", T0, s.realm)),
    "refresh idle": (
        SessionEnded,
        lambda s: refresh(s.sealed(CredentialKind.REFRESH, 0), "tokens", later(3600), s.realm),
    ),
    "step-up gone": (TokenRevoked, lambda s: confirm_password(GONE, OLD, None, T0, s.realm)),
    "step-up wrong": (LoginFailed, lambda s: confirm_password(s.sid, NEW, None, T0, s.realm)),
    "step-up idle": (SessionEnded, lambda s: confirm_password(s.sid, OLD, None, later(3600), s.realm)),
    "change gone": (TokenRevoked, lambda s: change_password(GONE, OLD, NEW, None, T0, s.realm)),
    "change wrong": (LoginFailed, lambda s: change_password(s.sid, NEW, NEW, None, T0, s.realm)),
    "revoke gone": (NotFound, lambda s: revoke_session(GONE, "x", T0, s.realm)),
    "revoke another's": (NotFound, lambda s: revoke_session(s.sid, "x", T0, s.realm, owner=Subject("other"))),
    "disable nobody": (NotFound, lambda s: set_disabled(Subject("nobody"), True, T0, s.realm)),
    "csrf gone": (TokenRevoked, lambda s: csrf_token_of(GONE, s.realm)),
    "csrf malformed": (CsrfTokenRequired, lambda s: verify_csrf_token("x", s.sid, s.realm)),
    "csrf of another session": (
        CsrfTokenRequired,
        lambda s: verify_csrf_token(s.sealed(CredentialKind.CSRF, 0, s.y), s.sid, s.realm),
    ),
    "csrf of another number": (
        CsrfTokenRequired,
        lambda s: verify_csrf_token(s.sealed(CredentialKind.CSRF, 1), s.sid, s.realm),
    ),
    "csrf forged": (CsrfTokenRequired, lambda s: verify_csrf_token(forged(s, CredentialKind.CSRF), s.sid, s.realm)),
    "session of no token": (TokenInvalid, lambda s: load_session_of_token("x", T0, s.realm)),
    "session of a forgery": (
        TokenInvalid,
        lambda s: load_session_of_token(forged(s, CredentialKind.REFRESH), T0, s.realm),
    ),
}


@pytest.mark.parametrize(("kind", "start"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_changes_no_session_and_no_account(kind: type[Refusal], start: Start, flows: FlowFixture) -> None:
    before = SystemState(flows.store).parts()[:5]
    held = freeze(before)
    refused(flows, kind, start(flows))
    assert freeze(before) == held


ENDED: dict[str, tuple[type[Refusal], Start]] = {
    "verify": (TokenRevoked, lambda s: verify_session(s.sealed(CredentialKind.SESSION, 0), T0, s.realm)),
    "access": (TokenRevoked, lambda s: verify_access(s.access(), T0, s.realm)),
    "refresh": (TokenRevoked, lambda s: refresh(s.sealed(CredentialKind.REFRESH, 0), "tokens", T0, s.realm)),
    "step-up": (TokenRevoked, lambda s: confirm_password(s.sid, OLD, None, T0, s.realm)),
    "change": (TokenRevoked, lambda s: change_password(s.sid, OLD, NEW, None, T0, s.realm)),
}


@pytest.mark.parametrize(("kind", "start"), ENDED.values(), ids=ENDED)
def test_every_credential_of_an_ended_session_is_refused(kind: type[Refusal], start: Start, flows: FlowFixture) -> None:
    refused(flows, kind, start(ended(flows)))


def test_access_tokens_of_a_purged_session_are_refused(flows: FlowFixture) -> None:
    token = flows.access()
    flows.store.sessions.purge(later(100_000))
    refused(flows, TokenRevoked, verify_access(token, T0, flows.realm))
    assert flows.run(introspect(token, T0, flows.realm)) == {"active": False}


@pytest.mark.parametrize("start", [signup, login])
def test_a_delivery_this_realm_does_not_make(start: Any, flows: FlowFixture) -> None:
    only = replace(flows.realm, credentials="session")
    refused(flows, CredentialsNotOffered, start(flows.attempt(OLD), T0, only))
    issued = flows.run(login(flows.attempt(OLD, deliver=None), T0, only))
    assert (issued.deliver, issued.access_token, issued.refresh_token) == ("cookie", None, None)


def test_issued_credentials_name_their_session(flows: FlowFixture) -> None:
    assert (flows.x.sid, flows.x.subject) == (flows.x.session.sid, flows.x.session.subject)


def test_a_bearer_delivery_holds_no_cookie(flows: FlowFixture) -> None:
    issued = flows.run(login(flows.attempt(OLD, deliver="tokens"), T0, flows.realm))
    assert (issued.session_token, issued.csrf_token) == (None, None)
    assert issued.access_token
    assert issued.refresh_token

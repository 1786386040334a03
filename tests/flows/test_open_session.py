"""A session for a subject that the application has authenticated, and disabled accounts."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import keyturn.web
from flows.catalogue import FlowFixture, refused
from interleavings.harness import ADA, OLD, T0
from keyturn.core.account import Account
from keyturn.core.grants import Grant
from keyturn.core.sealed import CredentialKind
from keyturn.core.types import Subject
from keyturn.errors import (
    CredentialsNotOffered,
    Forbidden,
    GrantsUnavailable,
    InvalidScope,
    InvalidTarget,
    LoginFailed,
    NotFound,
    PayloadRefused,
    Refusal,
    TokenRevoked,
)
from keyturn.flows.accounts import account_summary, find_account, set_admin, set_disabled, set_scope
from keyturn.flows.create_session import SessionRequest
from keyturn.flows.effects import Call, Flow
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.open_session import open_session
from keyturn.flows.refresh import refresh
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session


def to_the_end(flows: FlowFixture, flow: Flow[Any], step: Call) -> None:
    with suppress(StopIteration):
        while True:
            step = flow.send(flows.answer(step))


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def opening(flows: FlowFixture, subject: Subject | None = None, **changes: Any) -> Flow[IssuedCredentials]:
    request = SessionRequest(**{"deliver": "both", "amr": ("fed",), **changes})
    return open_session(subject or flows.x.subject, request, T0, flows.realm)


def account(flows: FlowFixture) -> Account:
    found = flows.store.accounts.find(ADA)
    assert found
    return found


def test_a_session_is_opened_without_a_password(flows: FlowFixture) -> None:
    issued = flows.run(opening(flows))
    for verify, token in ((verify_session, issued.session_token), (verify_access, issued.access_token)):
        principal = flows.run(verify(token.reveal(), T0, flows.realm))
        assert (principal.subject, principal.amr, principal.auth_time) == (flows.x.subject, ("fed",), T0)
    assert flows.run(refresh(str(issued.refresh_token.reveal()), "both", T0, flows.realm)).sid == issued.sid


def test_an_account_that_changes_while_a_session_is_opened_is_read_again(flows: FlowFixture) -> None:
    flow = opening(flows)
    floor = flow.send(flows.answer(next(flow)))  # the account was read
    flows.run(set_scope(flows.x.subject, "read", T0, flows.realm))
    to_the_end(flows, flow, flow.send(flows.answer(floor)))
    [opened] = [each for each in flows.store.sessions.list(flows.x.subject) if each.session.amr == ("fed",)]
    assert opened.session.scope == "read"
    assert opened.session.generation == opened.floor.generation


def test_an_opened_session_gets_the_scopes_of_a_login(flows: FlowFixture) -> None:
    flows.run(set_scope(flows.x.subject, "read write", T0, flows.realm))
    assert flows.run(opening(flows, scope="write admin")).session.scope == "write"

    class Application:
        def decide(self, request: Any) -> Grant:
            return Grant("admin", {"amr": 1} if request.amr != ("fed",) else {"sso": True})

    flows.ports.grants = Application()
    assert flows.run(opening(flows)).session.claims == {"sso": True}


REFUSED: dict[str, tuple[type[Refusal], dict[str, Any]]] = {
    "delivery": (CredentialsNotOffered, {"deliver": "tokens"}),
    "scope": (InvalidScope, {"scope": "keyturn:admin"}),
    "resource": (InvalidTarget, {"resource": ("x",)}),
    "claims": (PayloadRefused, {"claims": {"password": "x"}}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_session_is_not_stored(flows: FlowFixture, name: str) -> None:
    kind, changes = REFUSED[name]
    if name == "delivery":
        flows.realm = replace(flows.realm, credentials="session")
    before = len(flows.store.sessions.list(flows.x.subject))
    refused(flows, kind, opening(flows, **changes))
    assert len(flows.store.sessions.list(flows.x.subject)) == before


def test_a_session_of_an_unknown_subject_is_refused(flows: FlowFixture) -> None:
    refused(flows, NotFound, opening(flows, Subject("nobody")))


def test_an_opened_session_replaces_those_of_the_same_browser(flows: FlowFixture) -> None:
    cookie = flows.sealed(CredentialKind.SESSION, 0)
    flows.run(opening(flows, replaces=(cookie, "kt_s_forged")))
    refused(flows, TokenRevoked, verify_session(cookie, T0, flows.realm))
    assert flows.run(verify_session(flows.sealed(CredentialKind.SESSION, 0, flows.y), T0, flows.realm))


def test_a_failure_of_grants_ends_no_session_that_would_be_replaced(flows: FlowFixture) -> None:
    class Broken:
        def decide(self, request: Any) -> Grant:
            raise GrantsUnavailable("away")

    cookie, flows.ports.grants = flows.sealed(CredentialKind.SESSION, 0), Broken()
    refused(flows, GrantsUnavailable, opening(flows, replaces=(cookie,)))
    assert flows.run(verify_session(cookie, T0, flows.realm))


def test_no_endpoint_opens_a_session_without_a_proof() -> None:
    for file in Path(str(keyturn.web.__file__)).parent.rglob("*.py"):
        assert "flows.open_session" not in file.read_text()


USES: dict[str, tuple[type[Refusal], Callable[[FlowFixture], Flow[Any]]]] = {
    "login": (LoginFailed, lambda s: login(s.attempt(OLD), T0, s.realm)),
    "open_session": (Forbidden, opening),
    "step-up": (TokenRevoked, lambda s: confirm_password(s.sid, OLD, "both", T0, s.realm)),
    "refresh": (TokenRevoked, lambda s: refresh(s.sealed(CredentialKind.REFRESH, 0), "both", T0, s.realm)),
    "cookie": (TokenRevoked, lambda s: verify_session(s.sealed(CredentialKind.SESSION, 0), T0, s.realm)),
}


@pytest.mark.parametrize("name", USES)
def test_a_disabled_account_is_refused_and_enabling_brings_nothing_back(flows: FlowFixture, name: str) -> None:
    kind, use = USES[name]
    receipt = flows.run(set_disabled(flows.x.subject, True, T0, flows.realm))
    assert receipt.sequence == flows.store.log.sequence()
    refused(flows, kind, use(flows))
    flows.run(set_disabled(flows.x.subject, False, T0, flows.realm))
    if kind is TokenRevoked:
        refused(flows, kind, use(flows))
    else:
        assert flows.run(use(flows)).subject == flows.x.subject


def test_an_account_is_found_by_its_subject_and_by_its_identifier(flows: FlowFixture) -> None:
    for found in (
        find_account(flows.x.subject, None, flows.realm),
        find_account(None, " ADA@example.com ", flows.realm),
    ):
        summary = account_summary(flows.run(found))
        assert (summary.subject, summary.identifier) == (flows.x.subject, ADA)
        assert "password" not in repr(summary)
    for missing in (
        find_account(Subject("nobody"), None, flows.realm),
        find_account(None, "bob@example.com", flows.realm),
    ):
        refused(flows, NotFound, missing)


def test_scopes_that_are_taken_away_end_the_sessions_of_the_account(flows: FlowFixture) -> None:
    cookie = flows.sealed(CredentialKind.SESSION, 0)
    for scope in ("read", "write read", "read write  read"):
        flows.run(set_scope(flows.x.subject, scope, T0, flows.realm))
        assert flows.run(verify_session(cookie, T0, flows.realm))
    assert account(flows).scope == "read write"
    flows.run(set_scope(flows.x.subject, "read", T0, flows.realm))
    refused(flows, TokenRevoked, verify_session(cookie, T0, flows.realm))
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm)).session.scope == "read"
    refused(flows, InvalidScope, set_scope(flows.x.subject, "keyturn:admin", T0, flows.realm))


def test_an_administrator_is_a_flag_of_the_account_that_ends_nothing(flows: FlowFixture) -> None:
    cookie = flows.sealed(CredentialKind.SESSION, 0)
    for flag in (True, False):
        flows.run(set_admin(flows.x.subject, flag, T0, flows.realm))
        assert account(flows).is_admin is flag
        assert flows.run(verify_session(cookie, T0, flows.realm)).scope == ()


@pytest.mark.parametrize("change", [set_scope, set_admin, set_disabled])
def test_a_change_that_loses_a_race_is_decided_again(flows: FlowFixture, change: Any) -> None:
    argument = "read" if change is set_scope else True
    changing = change(flows.x.subject, argument, T0, flows.realm)
    flows.answer(next(changing))
    stale = flows.store.accounts.load(flows.x.subject)
    flows.run(set_scope(flows.x.subject, "other", T0, flows.realm))
    to_the_end(flows, changing, changing.send(stale))
    changed = account(flows)
    assert changed.scope == ("read" if change is set_scope else "other")
    assert (changed.is_admin, changed.disabled) == (change is set_admin, change is set_disabled)

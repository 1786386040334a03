"""The application decides at login, sign-up, refresh, step-up and password change, and its failures harm no login."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from interleavings.harness import ADA, NEW, OLD, T0
from keyturn.core.grants import Grant, GrantRequest
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import ClientInfo
from keyturn.errors import GrantsUnavailable, InvalidScope
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session

EVE = "eve@example.com"


class Application:
    """The port of an application that grants ``grant``, or raises."""

    def __init__(self, grant: Grant | None = None) -> None:
        self.grant = grant
        self.requests: list[GrantRequest] = []

    def decide(self, request: GrantRequest) -> Grant | None:
        self.requests.append(request)
        return self.grant


class BrokenApplication(Application):
    def decide(self, request: GrantRequest) -> Grant | None:
        raise GrantsUnavailable("away")


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def set_application(flows: FlowFixture, application: Application) -> Application:
    flows.ports.grants = application
    return application


def store_scope(flows: FlowFixture, scope: str) -> None:
    account = flows.store.accounts.find(ADA)
    assert account
    assert flows.store.accounts.replace(replace(account, scope=scope, version=account.version + 1))


def rotate(flows: FlowFixture, issued: IssuedCredentials, now: int = 0) -> Flow[IssuedCredentials]:
    counter = issued.session.rotations
    return refresh(flows.sealed(CredentialKind.REFRESH, counter, issued), "both", later(now), flows.realm)


ISSUING: dict[str, Callable[[FlowFixture], Flow[IssuedCredentials]]] = {
    "login": lambda s: login(s.attempt(OLD), T0, s.realm),
    "signup": lambda s: signup(s.attempt(OLD, EVE), T0, s.realm),
    "refresh": lambda s: rotate(s, s.x),
    "step-up": lambda s: confirm_password(s.sid, OLD, "both", T0, s.realm),
    "password": lambda s: change_password(s.sid, OLD, NEW, "both", T0, s.realm),
}


@pytest.mark.parametrize("name", ISSUING)
def test_every_credential_has_the_scopes_and_claims_of_the_application(flows: FlowFixture, name: str) -> None:
    set_application(flows, Application(Grant("orders:read", {"tenant": 7})))
    issued = flows.run(ISSUING[name](flows))
    cookie = flows.run(verify_session(str(issued.session_token.reveal()), T0, flows.realm))
    assert (cookie.scope, cookie.claims) == (("orders:read",), {"tenant": 7})
    token = json.loads(str(issued.access_token.reveal()).removeprefix("jws:"))
    assert (token["scope"], token["tenant"]) == ("orders:read", 7)
    assert flows.run(verify_access(str(issued.access_token.reveal()), T0, flows.realm)).scope == ("orders:read",)
    assert flows.store.sessions.load(issued.sid).session.scope == "orders:read"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ISSUING)
def test_an_application_that_fails_refuses_this_request_and_ends_nothing(flows: FlowFixture, name: str) -> None:
    sessions = [flows.store.sessions.load(each.sid) for each in (flows.x, flows.y)]
    sequence = flows.store.log.sequence()
    set_application(flows, BrokenApplication())
    refusal = refused(flows, GrantsUnavailable, ISSUING[name](flows))
    assert (refusal.status, refusal.retry_after_seconds) == (503, 1)
    assert [flows.store.sessions.load(each.sid) for each in (flows.x, flows.y)] == sessions
    assert flows.store.log.sequence() == sequence
    set_application(flows, Application(Grant()))
    issued: Any = flows.run(
        login(flows.attempt(OLD, EVE), T0, flows.realm) if name == "signup" else ISSUING[name](flows)
    )
    assert flows.run(verify_access(str(issued.access_token.reveal()), T0, flows.realm)).scope == ()


def test_a_failed_login_opens_no_session(flows: FlowFixture) -> None:
    before = len(flows.store.sessions.list(flows.x.subject))
    set_application(flows, BrokenApplication())
    refused(flows, GrantsUnavailable, login(flows.attempt(OLD), T0, flows.realm))
    assert len(flows.store.sessions.list(flows.x.subject)) == before


def test_the_application_is_told_the_login_and_the_client(flows: FlowFixture) -> None:
    store_scope(flows, "orders:read")
    application = set_application(flows, Application(Grant("orders:read")))
    issued = flows.run(login(flows.attempt(OLD, scope="orders:read x"), T0, flows.realm))
    client = ClientInfo(address="192.0.2.1")
    flows.run(rotate(flows, issued))
    told = GrantRequest(flows.x.subject, client, ("orders:read", "x"), ("pwd",), "orders:read")
    assert application.requests == [told, replace(told, account_scope=None)]


def test_without_grants_a_login_gets_at_most_the_scopes_of_its_account(flows: FlowFixture) -> None:
    store_scope(flows, "orders:read orders:write")
    for asked, granted in (("", "orders:read orders:write"), ("orders:write admin", "orders:write"), ("admin", "")):
        issued = flows.run(login(flows.attempt(OLD, scope=asked), T0, flows.realm))
        assert issued.session.scope == granted
        assert flows.run(rotate(flows, issued)).session.scope == granted
    assert flows.run(signup(flows.attempt(OLD, EVE, scope="orders:read"), T0, flows.realm)).session.scope == ""


def test_scopes_that_the_login_did_not_ask_for_never_come_back_at_a_refresh(flows: FlowFixture) -> None:
    set_application(flows, Application(Grant("a b c")))
    issued = flows.run(login(flows.attempt(OLD, scope="c a x"), T0, flows.realm))
    assert issued.session.scope == "a c"
    set_application(flows, Application(Grant("b c x y")))
    assert flows.run(rotate(flows, issued)).session.scope == "c x"


def test_a_client_cannot_ask_for_a_scope_of_keyturn(flows: FlowFixture) -> None:
    for name in ("login", "signup"):
        flow = login if name == "login" else signup
        refused(flows, InvalidScope, flow(flows.attempt(OLD, scope="keyturn:admin"), T0, flows.realm))


def test_a_refresh_takes_back_what_is_no_longer_granted(flows: FlowFixture) -> None:
    set_application(flows, Application(Grant("admin", {"tenant": 7})))
    issued = flows.run(login(flows.attempt(OLD), T0, flows.realm))
    set_application(flows, Application(Grant("", {})))
    sequence = flows.store.log.sequence()
    rotated = flows.run(rotate(flows, issued))
    assert (rotated.session.scope, rotated.session.claims) == ("", {})
    principal = flows.run(verify_session(str(issued.session_token.reveal()), T0, flows.realm))
    assert (principal.scope, principal.claims) == ((), {})
    # Other processes drop their copy of the session: the entry voids nothing.
    assert flows.store.log.sequence() == sequence + 1


def test_a_refresh_that_changes_nothing_writes_no_entry(flows: FlowFixture) -> None:
    set_application(flows, Application(Grant("read", {"tenant": 7})))
    issued = flows.run(login(flows.attempt(OLD), T0, flows.realm))
    sequence = flows.store.log.sequence()
    flows.run(rotate(flows, issued))
    assert flows.store.log.sequence() == sequence


def test_a_repeated_refresh_within_the_grace_window_asks_again(flows: FlowFixture) -> None:
    set_application(flows, Application(Grant("admin")))
    issued = flows.run(login(flows.attempt(OLD), T0, flows.realm))
    for _ in range(2):
        first = flows.run(rotate(flows, issued))
    set_application(flows, Application(Grant("")))
    repeated = flows.run(rotate(flows, issued, 5))
    assert repeated.refresh_token == first.refresh_token
    assert "scope" not in json.loads(str(repeated.access_token.reveal()).removeprefix("jws:"))
    assert flows.store.sessions.load(issued.sid).session.scope == ""  # type: ignore[union-attr]


def test_a_reused_refresh_token_ends_its_session_without_asking(flows: FlowFixture) -> None:
    issued = flows.run(login(flows.attempt(OLD), T0, flows.realm))
    for _ in range(2):
        rotated = flows.run(rotate(flows, issued))
        old, issued = issued, rotated
    application = set_application(flows, BrokenApplication())
    with pytest.raises(Exception, match="rotated before"):
        flows.run(refresh(flows.sealed(CredentialKind.REFRESH, 0, old), "both", later(100), flows.realm))
    assert application.requests == []
    loaded = flows.store.sessions.load(issued.sid)
    assert loaded
    assert loaded.session.end_reason == "reuse"


def test_claims_of_the_login_stay_without_grants_and_are_replaced_by_them(flows: FlowFixture) -> None:
    attempt = flows.attempt(OLD, claims={"tenant": 1})
    issued = flows.run(login(attempt, T0, flows.realm))
    assert flows.run(rotate(flows, issued)).session.claims == {"tenant": 1}
    set_application(flows, Application(Grant("", {"role": "x"})))
    assert flows.run(login(attempt, T0, flows.realm)).session.claims == {"role": "x"}

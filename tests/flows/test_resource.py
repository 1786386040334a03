"""``resource`` at login and at refresh: no flow issues a token for more than the login was granted."""

import json
from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from interleavings.harness import NEW, OLD, T0
from interleavings.state import SystemState, freeze
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import CredentialKind
from keyturn.core.types import Instant
from keyturn.errors import InvalidTarget, TokenInvalid, TokenReused
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access

ALL = ["api", "billing", "stock"]


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


@pytest.fixture
def several(flows: FlowFixture) -> IssuerConfig:
    return replace(flows.realm, audience=tuple(ALL))


def access(issued: IssuedCredentials) -> str:
    assert issued.access_token
    return str(issued.access_token.reveal())


def aud(issued: IssuedCredentials) -> Any:
    return json.loads(access(issued).removeprefix("jws:"))["aud"]


def rotate(flows: FlowFixture, issued: IssuedCredentials, counter: int, realm: IssuerConfig, *resource: str) -> Any:
    token = flows.sealed(CredentialKind.REFRESH, counter, issued)
    return refresh(token, "tokens", T0, realm, resource or None)


def test_without_a_resource_a_token_is_for_every_configured_audience(flows: FlowFixture, several: IssuerConfig) -> None:
    issued = flows.run(login(flows.attempt(OLD), T0, several))
    assert aud(issued) == aud(flows.run(rotate(flows, issued, 0, several))) == ALL
    assert issued.session.claims == {}


@pytest.mark.parametrize("flow", [login, signup])
def test_the_resource_of_a_login_limits_every_later_token(flows: FlowFixture, several: IssuerConfig, flow: Any) -> None:
    attempt = flows.attempt(OLD, "ada@example.com" if flow is login else "bob@example.com", resource=("api", "stock"))
    issued = flows.run(flow(attempt, T0, several))
    later_tokens = [
        flows.run(rotate(flows, issued, 0, several)),
        flows.run(confirm_password(issued.sid, OLD, "both", T0, several)),
        flows.run(change_password(issued.sid, OLD, NEW, "both", T0, several)),
    ]
    assert [aud(each) for each in (issued, *later_tokens)] == [["api", "stock"]] * 4


@pytest.mark.conforms("RFC 8707 2.2")
def test_a_refresh_narrows_one_access_token_and_not_the_session(flows: FlowFixture, several: IssuerConfig) -> None:
    issued = flows.run(login(flows.attempt(OLD, resource=("api", "stock")), T0, several))
    assert aud(flows.run(rotate(flows, issued, 0, several, "stock"))) == "stock"
    assert aud(flows.run(rotate(flows, issued, 0, several, "api"))) == "api", "within the grace window"
    assert aud(flows.run(rotate(flows, issued, 1, several))) == ["api", "stock"]


@pytest.mark.parametrize("resource", [("billing",), ("api", "billing"), ("Stock",)])
def test_a_refresh_never_widens_and_leaves_the_refresh_token_usable(
    flows: FlowFixture, several: IssuerConfig, resource: tuple[str, ...]
) -> None:
    issued = flows.run(login(flows.attempt(OLD, resource=("api", "stock")), T0, several))
    before = SystemState(flows.store).parts()[:5]
    held = freeze(before)
    refused(flows, InvalidTarget, rotate(flows, issued, 0, several, *resource))
    assert freeze(before) == held
    assert flows.run(rotate(flows, issued, 0, several)).session.rotations == 1


def test_a_resource_is_checked_where_no_token_is_issued(flows: FlowFixture, several: IssuerConfig) -> None:
    token = flows.sealed(CredentialKind.REFRESH, 0)
    refused(flows, InvalidTarget, refresh(token, "cookie", T0, several, ("x",)))
    assert flows.run(refresh(token, "cookie", T0, several, ("api",))).access_token is None


def test_a_refused_resource_does_not_hide_reuse(flows: FlowFixture, several: IssuerConfig) -> None:
    for counter in (0, 1):
        flows.run(rotate(flows, flows.x, counter, several))
    refused(flows, TokenReused, rotate(flows, flows.x, 0, several, "x"))


def test_a_login_for_an_unknown_resource_counts_no_attempt(flows: FlowFixture, several: IssuerConfig) -> None:
    for flow in (login, signup):
        refused(flows, InvalidTarget, flow(flows.attempt(NEW, resource=("api", "x")), T0, several))
    levels = [each.level for key, each in flows.store.throttles._buckets.items() if not key.startswith("signup")]
    assert levels == [0, 0]


def test_a_session_whose_audience_was_removed_gets_no_token_and_loses_nothing(
    flows: FlowFixture, several: IssuerConfig
) -> None:
    issued = flows.run(login(flows.attempt(OLD, resource=("stock",)), T0, several))
    reduced = replace(several, audience=("api", "billing"))
    flows_of: list[Flow[Any]] = [
        rotate(flows, issued, 0, reduced),
        confirm_password(issued.sid, OLD, "both", T0, reduced),
        change_password(issued.sid, OLD, NEW, "both", T0, reduced),
    ]
    before = SystemState(flows.store).parts()[:5]
    held = freeze(before)
    for flow in flows_of:
        assert refused(flows, InvalidTarget, flow).hint.endswith("log in again.")
    assert freeze(before) == held
    assert flows.run(confirm_password(issued.sid, OLD, "cookie", T0, reduced)).session_token


def test_a_token_for_another_service_does_not_work_at_the_issuer(flows: FlowFixture, several: IssuerConfig) -> None:
    """A service could end its caller's sessions with what the caller shows it (RFC 8707 section 3)."""
    issued = flows.run(login(flows.attempt(OLD), T0, several))
    for name in ALL:
        narrowed = flows.run(rotate(flows, issued, 0, several, name))
        refused(flows, TokenInvalid, verify_access(access(narrowed), later(1), several))
    assert flows.run(verify_access(access(issued), Instant(T0 + 1), several)).sid == issued.sid


def test_a_token_from_before_a_name_was_added_still_works_at_the_issuer(
    flows: FlowFixture, several: IssuerConfig
) -> None:
    """A client that is told 401 may throw its tokens away, so an operator's new name must not cause one."""
    token = access(flows.x)
    assert json.loads(token.removeprefix("jws:"))["aud"] == "api"
    assert flows.run(verify_access(token, T0, several)).sid == flows.sid
    narrowed = access(flows.run(rotate(flows, flows.x, 0, several, "api")))
    refused(flows, TokenInvalid, verify_access(narrowed, T0, several))
    refused(flows, TokenInvalid, verify_access(narrowed, T0, flows.realm))


def test_introspection_names_the_audience_of_the_token(flows: FlowFixture, several: IssuerConfig) -> None:
    issued = flows.run(login(flows.attempt(OLD, resource=("stock",)), T0, several))
    response = flows.run(introspect(access(issued), T0, several))
    assert (response["active"], response["aud"]) == (True, "stock")

"""WsgiAuth: accepted and refused WSGI requests, over an issuer in this process and over a verifier."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.sync_issuer import ISSUER, SyncIssuer, bearer, cookie
from keyturn import AsyncIssuer, AsyncVerifier
from keyturn.core.principal import Principal
from keyturn.errors import (
    BadRequest,
    ConfigurationError,
    CrossOrigin,
    CsrfTokenRequired,
    Forbidden,
    HeadersTooLarge,
    Refusal,
    RevocationUnknown,
    StepUpRequired,
    StoreUnavailable,
    TokenMalformed,
    TokenRevoked,
    Unauthenticated,
)
from keyturn.web import wsgi_auth
from keyturn.web.auth import Requirement
from keyturn.web.wsgi_auth import WsgiAuth
from web.exchanges import HOST, Sent, wsgi_environ


@pytest.fixture
def make() -> Iterator[Callable[..., SyncIssuer]]:
    made: list[SyncIssuer] = []

    def make(**settings: Any) -> SyncIssuer:
        made.append(SyncIssuer(**settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def issuer(make: Callable[..., SyncIssuer]) -> SyncIssuer:
    return make()


def environ(*headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    return wsgi_environ(Sent(method, "/orders", (HOST, *headers)))


def flows_of(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list to which every flow is added that WsgiAuth runs."""
    flows: list[object] = []
    drive = wsgi_auth.drive
    monkeypatch.setattr(wsgi_auth, "drive", lambda flow, *args: flows.append(flow) or drive(flow, *args))
    return flows


def refused(kind: type[Refusal], auth: WsgiAuth, *headers: tuple[bytes, bytes], method: str = "GET") -> None:
    with pytest.raises(kind) as caught:
        auth.require(environ(*headers, method=method))
    assert type(caught.value) is kind


@pytest.mark.parametrize("credential", [cookie, bearer])
def test_a_credential_of_each_kind_is_the_same_caller_and_cached(
    issuer: SyncIssuer, credential: Callable[..., tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, issued, flows = WsgiAuth(issuer), issuer.enroll(), flows_of(monkeypatch)
    principals = {auth.require(environ(credential(issued))) for _ in range(3)}
    assert [each.sid for each in principals] == [issued.session.sid]
    assert len(flows) == 1
    issuer.logout(issued.session.sid)
    refused(TokenRevoked, auth, credential(issued))


def test_two_callers_get_their_own_principals(issuer: SyncIssuer) -> None:
    auth, ada, bob = WsgiAuth(issuer), issuer.enroll("ada"), issuer.enroll("bob")
    sids = [auth.require(environ(cookie(each))).sid for _ in range(3) for each in (ada, bob)]
    assert sids == [ada.session.sid, bob.session.sid] * 3


def test_an_optional_request_is_anonymous_without_a_valid_cookie(issuer: SyncIssuer) -> None:
    auth, issued = WsgiAuth(issuer), issuer.enroll()
    for headers in ((), ((b"cookie", b"__Host-kt_session=x"),), ((b"authorization", b"Basic YTpi"),)):
        assert auth.authenticate(environ(*headers), optional=True) is None
    assert auth.authenticate(environ(cookie(issued)), optional=True) is not None
    with pytest.raises(TokenMalformed):
        auth.authenticate(environ((b"authorization", b"Bearer x")), optional=True)


def test_a_required_request_is_refused_without_a_valid_credential(issuer: SyncIssuer) -> None:
    auth, issued = WsgiAuth(issuer), issuer.enroll()
    name, value = bearer(issued)
    refused(Unauthenticated, auth)
    refused(BadRequest, auth, (name, value), (name, value))
    refused(TokenMalformed, auth, (name, value + "é".encode()))
    refused(BadRequest, auth, (b"cookie", cookie(issued)[1] + b"; " + cookie(issued)[1]))
    refused(HeadersTooLarge, auth, cookie(issued), (b"x-large", b"x" * 40_000))


def test_an_unsafe_request_with_a_cookie_is_checked_for_csrf(make: Callable[..., SyncIssuer]) -> None:
    issuer, strict = make(), make(profile="browser-strict")
    issued, trusted = issuer.enroll(), (b"origin", b"https://shop.example")
    auth = WsgiAuth(issuer, trusted_origins=("https://shop.example",))
    assert auth.require(environ(cookie(issued), trusted, method="POST")).sid == issued.session.sid
    refused(CrossOrigin, auth, cookie(issued), (b"origin", b"https://evil.example"), method="POST")
    refused(CsrfTokenRequired, WsgiAuth(strict), cookie(strict.enroll()), method="POST")


def test_a_page_of_an_app_shell_uses_no_cookie(issuer: SyncIssuer) -> None:
    auth, issued = WsgiAuth(issuer, trusted_origins=("capacitor://localhost",)), issuer.enroll()
    shell = (b"origin", b"capacitor://localhost")
    assert auth.require(environ(cookie(issued))).sid == issued.session.sid
    refused(Unauthenticated, auth, cookie(issued), shell)
    assert auth.require(environ(bearer(issued), shell)).sid == issued.session.sid


def test_a_requirement_checks_scopes_and_the_time_of_the_authentication(issuer: SyncIssuer) -> None:
    auth, issued = WsgiAuth(issuer), issuer.enroll(scope="orders:read")
    sent = environ(bearer(issued))
    for fresh in (None, 300):
        assert auth.require(sent, Requirement(("orders:read",), fresh)).scope == ("orders:read",)
    with pytest.raises(Forbidden):
        auth.require(sent, Requirement(("orders:read", "orders:write")))
    issuer.clock.now += 301
    issuer.monotonic.now += 301
    issuer.refresh_feed()
    with pytest.raises(StepUpRequired):
        auth.require(sent, Requirement(fresh=300))


def test_an_undecidable_credential_is_503_on_every_route(issuer: SyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    auth, issued = WsgiAuth(issuer), issuer.enroll()
    issuer.monotonic.now += 5.5

    def down(*_: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(type(issuer.parts.ports.sessions), "load", down)
    for optional in (False, True):
        with pytest.raises(RevocationUnknown):
            auth.authenticate(environ(cookie(issued)), optional=optional)


def test_a_slow_store_is_503(issuer: SyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi_auth, "FLOW_SECONDS", -1.0)
    refused(StoreUnavailable, WsgiAuth(issuer), cookie(issuer.enroll()))


def test_a_resource_server_accepts_bearer_tokens_only(issuer: SyncIssuer) -> None:
    auth, issued = WsgiAuth(verifier=issuer.verifier()), issuer.enroll()
    for _ in range(3):
        assert auth.require(environ(bearer(issued), method="POST")).sid == issued.session.sid
    refused(Unauthenticated, auth, cookie(issued))
    refused(Unauthenticated, auth, (b"authorization", b"Basic YTpi"))
    for headers in ((), (cookie(issued),), ((b"authorization", b"Basic YTpi"),)):
        assert auth.authenticate(environ(*headers), optional=True) is None
    with pytest.raises(TokenMalformed):
        auth.authenticate(environ((b"authorization", b"Bearer x y")), optional=True)


def test_a_resource_server_checks_the_time_of_the_authentication_by_its_own_clock(
    issuer: SyncIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, issued = WsgiAuth(verifier=issuer.verifier()), issuer.enroll()
    monkeypatch.setattr("keyturn.web.auth.time.time", lambda: issuer.clock.now + 300)
    principal: Principal = auth.require(environ(bearer(issued)), Requirement(fresh=300))
    assert principal.sid == issued.session.sid
    monkeypatch.setattr("keyturn.web.auth.time.time", lambda: issuer.clock.now + 301)
    with pytest.raises(StepUpRequired):
        auth.require(environ(bearer(issued)), Requirement(fresh=300))


def test_a_refusal_is_a_problem_document_without_a_body_for_head(issuer: SyncIssuer) -> None:
    auth = WsgiAuth(issuer)
    reply = auth.reply(Unauthenticated("x"), "GET", "/orders")
    assert (reply.status, f"{ISSUER}/docs/errors#unauthenticated".encode() in reply.body) == (401, True)
    assert auth.reply(Unauthenticated("x"), "HEAD", "/orders").body == b""


def test_an_asynchronous_source_is_refused(issuer: SyncIssuer) -> None:
    for given in ((), (AsyncIssuer(issuer.settings), None), (None, AsyncVerifier(ISSUER, "orders", revocation="none"))):
        with pytest.raises(ConfigurationError):
            WsgiAuth(*given)

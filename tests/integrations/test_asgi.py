"""AuthMiddleware in front of a bare ASGI application: accepted and refused requests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integrations.guarded_app import COOKIE, ISSUER, Answer, App, GuardedIssuer, bearer, cookie, exchange, run
from keyturn import Issuer, Verifier
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.flows import IssuedCredentials
from keyturn.integrations.asgi import AuthMiddleware


@pytest.mark.parametrize("credential", [cookie, bearer])
def test_every_credential_is_the_same_caller(
    issuer_app: GuardedIssuer, credential: Callable[[IssuedCredentials], tuple[bytes, bytes]]
) -> None:
    issued = issuer_app.login()
    for _ in range(3):
        answer = issuer_app.ask((b"accept", b"*/*"), credential(issued))
        assert (answer.status, answer.body) == (200, b"here")
    assert {caller and caller.sid for caller in issuer_app.app.callers} == {issued.session.sid}


def test_an_access_cookie_passes(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login(deliver="token-cookies")
    assert issued.access_token is not None
    value = b"__Host-kt_access=" + issued.access_token.reveal().encode()
    assert issuer_app.ask((b"cookie", value)).status == 200
    assert issuer_app.cached_cookies == 0


def test_two_callers_get_their_own_principals(issuer_app: GuardedIssuer) -> None:
    ada, bob = issuer_app.login("ada"), issuer_app.login("bob")
    for _ in range(3):
        issuer_app.ask(cookie(ada))
        issuer_app.ask(cookie(bob))
    assert [caller and caller.sid for caller in issuer_app.app.callers] == [ada.session.sid, bob.session.sid] * 3


def test_a_request_without_credentials_is_401(issuer_app: GuardedIssuer) -> None:
    answer = issuer_app.ask()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers[b"www-authenticate"] == b"Bearer"
    assert b"set-cookie" not in answer.headers
    assert json.loads(answer.body)["type"] == f"{ISSUER}/docs/errors#unauthenticated"
    assert issuer_app.app.callers == []


def test_a_refused_head_has_no_body(issuer_app: GuardedIssuer) -> None:
    answer = issuer_app.ask(method="HEAD")
    assert (answer.status, answer.body) == (401, b"")


def test_an_optional_guard_passes_anonymous_requests_and_refuses_bad_bearer_tokens(
    make: Callable[..., GuardedIssuer],
) -> None:
    issuer_app = make(optional=True)
    issued = issuer_app.login()
    dead = (b"cookie", COOKIE + b"=kt_session_forged")
    for headers in ((), (cookie(issued),), (dead,), ((b"authorization", b"Basic YTpi"),), (bearer(issued), dead)):
        assert issuer_app.ask(*headers).status == 200
    sid = issued.session.sid
    assert [caller and caller.sid for caller in issuer_app.app.callers] == [None, sid, None, None, sid]
    assert issuer_app.ask((b"authorization", b"Bearer x")).code == "token_malformed"
    assert len(issuer_app.app.callers) == 5


def test_an_optional_guard_refuses_a_live_cookie_without_its_csrf_token(make: Callable[..., GuardedIssuer]) -> None:
    issuer_app = make("browser-strict", optional=True)
    issued = issuer_app.login()
    assert issuer_app.ask(cookie(issued), method="POST").code == "csrf_token_required"
    run(issuer_app.issuer.logout(issued.session.sid))
    assert issuer_app.ask(cookie(issued), method="POST").status == 200
    assert issuer_app.app.callers == [None]


@pytest.mark.parametrize("optional", [False, True])
def test_an_undecidable_cookie_is_503_on_every_route(
    make: Callable[..., GuardedIssuer], optional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer_app = make(optional=optional)
    issued = issuer_app.login()
    issuer_app.monotonic.now += 5.5

    async def down(*_: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(issuer_app.parts.ports.sessions, "load", down, raising=False)
    assert issuer_app.ask(cookie(issued)).code == "revocation_unknown"
    assert issuer_app.app.callers == []


@pytest.mark.parametrize("extra", ["cookie", "authorization"])
def test_a_duplicate_credential_header_bypasses_the_cookie_cache(issuer_app: GuardedIssuer, extra: str) -> None:
    ada, bob = issuer_app.login("ada"), issuer_app.login("bob")
    for each in (ada, bob):
        issuer_app.ask(cookie(each))
        issuer_app.ask(cookie(each))
    issuer_app.app.callers.clear()
    if extra == "cookie":
        for pair in ((cookie(ada), cookie(bob)), (cookie(ada), cookie(ada))):
            assert issuer_app.ask(*pair).code == "bad_request"
        assert issuer_app.ask(cookie(ada), (b"cookie", b"theme=dark")).status == 200
    else:
        assert issuer_app.ask(cookie(ada), (b"authorization", b"Bearer x")).code == "token_malformed"
        assert issuer_app.ask(cookie(ada), bearer(bob)).status == 200
        assert issuer_app.app.callers[0] is not None
        assert issuer_app.app.callers[0].sid == bob.session.sid


def test_a_tossed_cookie_is_refused_beside_a_remembered_one(issuer_app: GuardedIssuer) -> None:
    name, value = cookie(issuer_app.login())
    issuer_app.ask((name, value))
    issuer_app.ask((name, value))
    assert issuer_app.ask((name, value + b"; " + value)).status == 400
    for other in (b"\xa0" + value, value.upper()):
        assert issuer_app.ask((name, other)).status == 401
    assert issuer_app.ask((name, value + b"; kt_session=x")).status == 200
    assert issuer_app.ask((name, value + b"; theme=dark")).status == 200
    assert issuer_app.cached_cookies == 3


def test_an_unsafe_method_requires_a_csrf_token_despite_the_cache(make: Callable[..., GuardedIssuer]) -> None:
    issuer_app = make("browser-strict")
    issued = issuer_app.login()
    assert issued.csrf_token is not None
    issuer_app.ask(cookie(issued))
    issuer_app.ask(cookie(issued))
    same, token = (b"sec-fetch-site", b"same-origin"), (b"x-csrf-token", issued.csrf_token.reveal().encode())
    assert issuer_app.ask(cookie(issued), method="POST").code == "csrf_token_required"
    assert (
        issuer_app.ask(cookie(issued), (b"sec-fetch-site", b"cross-site"), token, method="POST").code == "cross_origin"
    )
    assert issuer_app.ask(cookie(issued), same, token, method="POST").status == 200


def test_a_trusted_origin_may_act(make: Callable[..., GuardedIssuer]) -> None:
    issuer_app = make(trusted_origins=("https://app.example.com",))
    headers = (cookie(issuer_app.login()), (b"sec-fetch-site", b"same-site"), (b"origin", b"https://app.example.com"))
    assert issuer_app.ask(*headers, method="POST").status == 200


# --- other scopes ---


def test_lifespan_passes() -> None:
    guarded = App()
    guard = AuthMiddleware(guarded, verifier=Verifier(ISSUER, "orders", revocation="none"))
    assert exchange(guard, {"type": "lifespan"}) == []
    assert guarded.callers == [None]


def test_an_unknown_asgi_scope_is_refused(issuer_app: GuardedIssuer) -> None:
    with pytest.raises(KeyError):
        exchange(issuer_app.guard, {"type": "webtransport", "path": "/", "headers": []})
    assert issuer_app.app.callers == []


def socket(*headers: tuple[bytes, bytes], **scope: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": "/", "headers": [(b"host", b"auth.example.com"), *headers], **scope}


def test_a_websocket_is_guarded_against_hijacking(issuer_app: GuardedIssuer) -> None:
    issued = issuer_app.login()
    own, other = (b"origin", b"https://auth.example.com"), (b"origin", b"https://evil.example")
    assert exchange(issuer_app.guard, socket(cookie(issued), own)) == []
    assert [caller and caller.sid for caller in issuer_app.app.callers] == [issued.session.sid]
    refused = {"type": "websocket.close", "code": 1008, "reason": "cross_origin"}
    assert exchange(issuer_app.guard, socket(cookie(issued), other)) == [refused]
    assert exchange(issuer_app.guard, socket(own)) == [{**refused, "reason": "unauthenticated"}]


def test_an_optional_websocket_passes_anonymous_and_refuses_hijacked_handshakes(
    make: Callable[..., GuardedIssuer],
) -> None:
    issuer_app = make(optional=True)
    issued, other = issuer_app.login(), (b"origin", b"https://evil.example")
    assert exchange(issuer_app.guard, socket(other)) == []
    refused = exchange(issuer_app.guard, socket(cookie(issued), other))
    assert [each.get("reason") for each in refused] == ["cross_origin"]
    run(issuer_app.issuer.logout(issued.session.sid))
    assert exchange(issuer_app.guard, socket(cookie(issued), other)) == []
    assert issuer_app.app.callers == [None, None]


def test_a_refused_websocket_gets_a_response_if_the_server_supports_it(issuer_app: GuardedIssuer) -> None:
    sent = exchange(issuer_app.guard, socket(extensions={"websocket.http.response": {}}))
    assert [each["type"] for each in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert Answer(sent).code == "unauthenticated"


# --- configuration ---


def test_a_guard_is_configured_one_way(issuer_app: GuardedIssuer, tmp_path: Path) -> None:
    verifier = Verifier(ISSUER, "orders", revocation="none")
    for wrong in (
        {},
        {"verifier": verifier, "issuer": issuer_app.issuer},
        {"issuer": issuer_app.issuer, "cookie_cache_size": 0},
        {"issuer": Issuer.from_env(store="memory:", data_dir=str(tmp_path))},
    ):
        with pytest.raises(ConfigurationError):
            AuthMiddleware(App(), **wrong)

"""The guard in front of a bare ASGI application: what passes, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from integrations.guarded_app import COOKIE, ISSUER, Answer, App, House, bearer, cookie, exchange
from keyturn import Verifier
from keyturn.errors import ConfigurationError
from keyturn.flows import IssuedCredentials
from keyturn.integrations.asgi import AuthMiddleware


@pytest.mark.parametrize("credential", [cookie, bearer])
def test_every_credential_is_the_same_caller(
    house: House, credential: Callable[[IssuedCredentials], tuple[bytes, bytes]]
) -> None:
    issued = house.login()
    for _ in range(3):
        answer = house.ask((b"accept", b"*/*"), credential(issued))
        assert (answer.status, answer.body) == (200, b"here")
    assert {caller and caller.sid for caller in house.app.callers} == {issued.session.sid}


def test_an_access_cookie_passes(house: House) -> None:
    issued = house.login(deliver="token-cookies")
    assert issued.access_token is not None
    value = b"__Host-kt_access=" + issued.access_token.reveal().encode()
    assert house.ask((b"cookie", value)).status == 200
    assert house.remembered == 0


def test_two_callers_are_never_confused(house: House) -> None:
    ada, bob = house.login("ada"), house.login("bob")
    for _ in range(3):
        house.ask(cookie(ada))
        house.ask(cookie(bob))
    assert [caller and caller.sid for caller in house.app.callers] == [ada.session.sid, bob.session.sid] * 3


def test_nobody_is_refused_without_a_credential(house: House) -> None:
    answer = house.ask()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers[b"www-authenticate"] == b"Bearer"
    assert b"set-cookie" not in answer.headers
    assert json.loads(answer.body)["type"] == f"{ISSUER}/docs/errors#unauthenticated"
    assert house.app.callers == []


def test_a_refused_head_has_no_body(house: House) -> None:
    answer = house.ask(method="HEAD")
    assert (answer.status, answer.body) == (401, b"")


def test_an_optional_guard_lets_strangers_in_but_no_bad_credential(make: Callable[..., House]) -> None:
    house = make(optional=True)
    issued = house.login()
    assert house.ask().status == 200
    assert house.ask(cookie(issued)).status == 200
    assert [caller and caller.sid for caller in house.app.callers] == [None, issued.session.sid]
    assert house.ask((b"cookie", COOKIE + b"=kt_session_forged")).status == 401
    assert house.ask((b"authorization", b"Basic YTpi")).status == 401


@pytest.mark.parametrize("extra", ["cookie", "authorization"])
def test_a_second_header_never_meets_the_memory(house: House, extra: str) -> None:
    ada, bob = house.login("ada"), house.login("bob")
    for each in (ada, bob):
        house.ask(cookie(each))
        house.ask(cookie(each))
    house.app.callers.clear()
    if extra == "cookie":
        for pair in ((cookie(ada), cookie(bob)), (cookie(ada), cookie(ada))):
            assert house.ask(*pair).code == "bad_request"
        assert house.ask(cookie(ada), (b"cookie", b"theme=dark")).status == 200
    else:
        assert house.ask(cookie(ada), (b"authorization", b"Bearer x")).code == "token_malformed"
        assert house.ask(cookie(ada), bearer(bob)).status == 200
        assert house.app.callers[0] is not None
        assert house.app.callers[0].sid == bob.session.sid


def test_a_tossed_cookie_is_refused_beside_a_remembered_one(house: House) -> None:
    name, value = cookie(house.login())
    house.ask((name, value))
    house.ask((name, value))
    for tossed in (value + b"; " + value, value + b"; kt_session=x", b"\xa0" + value, value.upper()):
        assert house.ask((name, tossed)).status == 400
    assert house.ask((name, value + b"; theme=dark")).status == 200
    assert house.remembered == 2


def test_an_unsafe_method_always_meets_the_csrf_rules(make: Callable[..., House]) -> None:
    house = make("browser-strict")
    issued = house.login()
    assert issued.csrf_token is not None
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    same, token = (b"sec-fetch-site", b"same-origin"), (b"x-csrf-token", issued.csrf_token.reveal().encode())
    assert house.ask(cookie(issued), method="POST").code == "csrf_token_required"
    assert house.ask(cookie(issued), (b"sec-fetch-site", b"cross-site"), token, method="POST").code == "cross_origin"
    assert house.ask(cookie(issued), same, token, method="POST").status == 200


def test_a_trusted_origin_may_act(make: Callable[..., House]) -> None:
    house = make(trusted_origins=("https://app.example.com",))
    headers = (cookie(house.login()), (b"sec-fetch-site", b"same-site"), (b"origin", b"https://app.example.com"))
    assert house.ask(*headers, method="POST").status == 200


# --- other scopes ---


def test_lifespan_passes() -> None:
    guarded = App()
    guard = AuthMiddleware(guarded, verifier=Verifier(ISSUER, "orders", revocation="none"))
    assert exchange(guard, {"type": "lifespan"}) == []
    assert guarded.callers == [None]


def test_a_scope_nobody_knows_is_not_let_in(house: House) -> None:
    with pytest.raises(KeyError):
        exchange(house.guard, {"type": "webtransport", "path": "/", "headers": []})
    assert house.app.callers == []


def socket(*headers: tuple[bytes, bytes], **scope: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": "/", "headers": [(b"host", b"auth.example.com"), *headers], **scope}


def test_a_websocket_is_guarded_against_hijacking(house: House) -> None:
    issued = house.login()
    own, other = (b"origin", b"https://auth.example.com"), (b"origin", b"https://evil.example")
    assert exchange(house.guard, socket(cookie(issued), own)) == []
    assert [caller and caller.sid for caller in house.app.callers] == [issued.session.sid]
    refused = {"type": "websocket.close", "code": 1008, "reason": "cross_origin"}
    assert exchange(house.guard, socket(cookie(issued), other)) == [refused]
    assert exchange(house.guard, socket(own)) == [{**refused, "reason": "unauthenticated"}]


def test_a_refused_websocket_is_answered_where_the_server_can(house: House) -> None:
    sent = exchange(house.guard, socket(extensions={"websocket.http.response": {}}))
    assert [each["type"] for each in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert Answer(sent).code == "unauthenticated"


# --- configuration ---


def test_a_guard_is_configured_one_way(house: House) -> None:
    verifier = Verifier(ISSUER, "orders", revocation="none")
    for wrong in ({}, {"verifier": verifier, "issuer": house.issuer}, {"issuer": house.issuer, "cookie_cache_size": 0}):
        with pytest.raises(ConfigurationError):
            AuthMiddleware(App(), **wrong)

"""CORS over every application of the endpoints: one implementation, one table."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keyturn import Verifier
from keyturn.core.cors import parse_origins
from keyturn.errors import Unauthenticated
from keyturn.server.extensions import ORIGINS
from keyturn.server.protocol import _refuse_overload
from keyturn.web import application, asgi, cors, wsgi
from keyturn.web.routes import ROUTES
from keyturn.web.wsgi import WsgiEndpoints
from keyturn.web.wsgi_auth import WsgiAuth
from web.browser import EMAIL, PASSWORD
from web.exchanges import (
    APPLICATIONS,
    HOST,
    JSON,
    Answer,
    Send,
    Sent,
    open_sync,
    send_asgi,
    send_wsgi,
    wsgi_environ,
)
from web.test_exchanges import bearer, cookies, form

SITE, SHELL, EVIL = b"https://app.example.com", b"capacitor://localhost", b"https://evil.example"
ADA = {"email": EMAIL, "password": PASSWORD}


@pytest.fixture(params=APPLICATIONS)
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Send]:
    monkeypatch.setattr("web.exchanges.ORIGINS", "https://app.example.com, capacitor://localhost")
    yield from APPLICATIONS[request.param]()


def sent(method: str, path: str, origin: bytes, *headers: tuple[bytes, bytes], body: object = None) -> Sent:
    encoded = b"" if body is None else json.dumps(body).encode()
    return Sent(method, path, (HOST, JSON, (b"origin", origin), *headers), encoded)


def preflight(path: str, origin: bytes, method: bytes = b"POST") -> Sent:
    asked = (b"access-control-request-method", method), (b"access-control-request-headers", b"content-type")
    return Sent("OPTIONS", path, (HOST, (b"origin", origin), *asked))


def found(answer: Answer) -> dict[bytes, bytes]:
    headers = [each for each in answer.headers if each[0].startswith(b"access-control") or each[0] == b"vary"]
    assert len(dict(headers)) == len(headers)
    return dict(headers)


def test_a_preflight_of_a_trusted_origin_is_answered(ask: Send) -> None:
    for path in ("/auth/login", "/auth/session", "/nothing"):
        answer = ask(preflight(path, SITE))
        assert (answer.status, answer.body, answer.values(b"content-type")) == (204, b"", [])
        assert found(answer) == {
            b"access-control-allow-origin": SITE,
            b"access-control-allow-credentials": b"true",
            b"access-control-allow-methods": cors.ENDPOINT_METHODS,
            b"access-control-allow-headers": cors.ENDPOINT_HEADERS,
            b"access-control-max-age": b"600",
            b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        }
    assert b"access-control-allow-credentials" not in found(ask(preflight("/auth/login", SHELL)))


def test_every_route_is_allowed_by_a_preflight() -> None:
    assert {each.method for each in ROUTES} | {"HEAD"} == set(cors.ENDPOINT_METHODS.decode().split(", "))


@pytest.mark.parametrize("origin", [EVIL, b"null", b"*", b"https://auth.example.com"])
def test_a_preflight_of_another_origin_is_refused_without_headers(ask: Send, origin: bytes) -> None:
    answer = ask(preflight("/auth/login", origin))
    assert (answer.status, found(answer)) == (405, {})


def test_replies_to_a_trusted_page_are_readable(ask: Send) -> None:
    signup = ask(sent("POST", "/auth/signup", SITE, body=ADA))
    assert (signup.status, signup.values(b"set-cookie") != []) == (201, True)
    for answer, status in (
        (signup, 201),
        (ask(sent("GET", "/auth/session", SITE)), 401),
        (ask(sent("GET", "/nothing", SITE)), 404),
        (ask(sent("PUT", "/auth/login", SITE)), 405),
        (ask(sent("POST", "/auth/login", SITE, body=ADA | {"email": 1})), 400),
        (ask(sent("POST", "/auth/login", SITE, (b"x-long", b"x" * 40_000), body=ADA)), 431),
    ):
        headers = found(answer)
        assert answer.status == status
        assert (headers[b"access-control-allow-origin"], headers[b"vary"]) == (SITE, b"Origin")
        assert headers[b"access-control-allow-credentials"] == b"true"
        assert b"Retry-After" in headers[b"access-control-expose-headers"]


def test_replies_to_another_page_are_not(ask: Send) -> None:
    for origin in (EVIL, b"null"):
        for path in ("/auth/login", "/auth/signup"):
            answer = ask(sent("POST", path, origin, body=ADA | {"deliver": "tokens"}))
            assert (answer.status, found(answer)) == (403, {})
        assert found(ask(sent("GET", "/auth/session", origin))) == {}


def test_public_documents_are_readable_by_every_page(ask: Send) -> None:
    for origin in (SITE, EVIL):
        assert found(ask(sent("GET", "/.well-known/jwks.json", origin))) == {b"access-control-allow-origin": b"*"}


def test_an_app_shell_gets_tokens_and_no_cookies(ask: Send) -> None:
    for body in (ADA, ADA | {"deliver": "cookie"}, ADA | {"deliver": "both"}, ADA | {"deliver": "token-cookies"}):
        for path in ("/auth/signup", "/auth/login"):
            refused = ask(sent("POST", path, SHELL, (b"sec-fetch-site", b"cross-site"), body=body))
            assert (refused.status, json.loads(refused.body)["code"]) == (403, "cross_origin")
            assert "deliver=tokens" in json.loads(refused.body)["hint"]
    tokens_only = ADA | {"deliver": "tokens"}
    signup = ask(sent("POST", "/auth/signup", SHELL, (b"sec-fetch-site", b"cross-site"), body=tokens_only))
    assert (signup.status, signup.values(b"set-cookie")) == (201, [])
    tokens = json.loads(signup.body)
    shell = (b"origin", SHELL)
    token = bearer(signup)
    refreshed = ask(form("/auth/token", shell, grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    session = ask(sent("GET", "/auth/session", SHELL, token))
    answers = [refreshed, session, ask(sent("POST", "/auth/logout", SHELL, token))]
    for answer in (signup, *answers):
        assert found(answer)[b"access-control-allow-origin"] == SHELL
        assert b"access-control-allow-credentials" not in found(answer)
        assert answer.values(b"set-cookie") == []
    assert [each.status for each in answers] == [200, 200, 200]


def test_the_cookies_of_an_app_shell_are_not_read(ask: Send) -> None:
    signup = ask(sent("POST", "/auth/signup", SITE, body=ADA | {"deliver": "token-cookies"}))
    login = ask(sent("POST", "/auth/login", SITE, body=ADA | {"deliver": "cookie"}))
    for jar in (cookies(signup), cookies(login)):
        assert ask(sent("GET", "/auth/session", SITE, jar)).status == 200
        for method, path in (("GET", "/auth/session"), ("GET", "/auth/sessions"), ("POST", "/auth/logout")):
            refused = ask(sent(method, path, SHELL, jar))
            assert (refused.status, json.loads(refused.body)["code"]) == (401, "unauthenticated")
    refresh = form("/auth/token", (b"origin", SHELL), cookies(signup), grant_type="refresh_token")
    assert json.loads(ask(refresh).body)["member"] == "refresh_token"
    tokens = ask(sent("POST", "/auth/login", SHELL, cookies(login), body=ADA | {"deliver": "tokens"}))
    assert tokens.status == 200
    assert ask(sent("GET", "/auth/session", SITE, cookies(login))).status == 200, "its session was not replaced"


def test_overload_and_an_unexpected_error_are_readable(ask: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(application, "handle", fail)
    answer = ask(sent("GET", "/auth/session", SITE))
    assert (answer.status, found(answer)[b"access-control-allow-origin"]) == (503, SITE)
    monkeypatch.setattr(asgi, "MAX_REQUESTS", 0)
    monkeypatch.setattr(wsgi.WsgiEndpoints, "_slots_of_process", lambda _: wsgi.BoundedSemaphore(0))
    answer = ask(sent("GET", "/auth/session", SITE))
    assert (json.loads(answer.body)["code"], found(answer)[b"access-control-allow-origin"]) == ("overloaded", SITE)
    assert ask(preflight("/auth/session", SITE)).status == 204


def test_wsgi_authentication_reads_the_tokens_of_an_app_shell_and_not_its_cookies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("web.exchanges.ORIGINS", SHELL.decode())
    issuer = open_sync()
    login = send_wsgi(
        WsgiEndpoints(issuer),
        Sent("POST", "/auth/signup", (HOST, JSON), json.dumps(ADA | {"deliver": "both"}).encode()),
    )
    auth, jar, shell = WsgiAuth(issuer), cookies(login), (b"origin", SHELL)
    assert auth.origins.apps == {SHELL.decode()}
    for _ in range(2):
        assert auth.authenticate(wsgi_environ(Sent("GET", "/", (HOST, jar)))) is not None
        with pytest.raises(Unauthenticated):
            auth.authenticate(wsgi_environ(Sent("GET", "/", (HOST, jar, shell))))
        assert auth.authenticate(wsgi_environ(Sent("GET", "/", (HOST, jar, shell))), optional=True) is None
        assert auth.authenticate(wsgi_environ(Sent("GET", "/", (HOST, bearer(login), jar, shell)))) is not None
    issuer.parts.hasher.close()


def test_an_authenticator_of_a_verifier_allows_no_cookies() -> None:
    verifier = Verifier("https://auth.example.com", "orders", revocation="none")
    origins = WsgiAuth(verifier=verifier, trusted_origins=(SITE.decode(),)).origins
    assert (origins.sites, origins.apps) == (frozenset(), {SITE.decode()})


def test_a_refusal_of_the_server_for_its_connections_is_readable() -> None:
    """Answer the preflight, too: else the page sees a network error instead of Retry-After."""
    state = {"state": {ORIGINS: parse_origins([SITE.decode()])}}

    async def overloaded(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await _refuse_overload(scope | state, receive, send)

    answer = send_asgi(overloaded, sent("GET", "/auth/session", SITE))
    assert (answer.status, found(answer)[b"access-control-allow-origin"]) == (503, SITE)
    assert send_asgi(overloaded, preflight("/auth/session", SITE)).status == 204
    assert send_asgi(overloaded, preflight("/auth/session", EVIL)).status == 503

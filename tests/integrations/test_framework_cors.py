"""Pages of other origins that call applications in Starlette, FastAPI and Litestar."""

import json

import pytest

from integrations.framework_apps import APPS
from integrations.framework_client import Build, ask
from keyturn import AsyncIssuer
from web.exchanges import HOST, JSON, PASSWORD, Sent, send_asgi

PAGE = (b"origin", b"https://app.example.com")


PREFLIGHT = (PAGE, (b"access-control-request-method", b"DELETE"), (b"access-control-request-headers", b"x-csrf-token"))


def test_a_page_of_a_trusted_origin_may_call_and_read_refusals(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer, trusted_origins=("https://app.example.com",))
    asked = send_asgi(app, Sent("OPTIONS", "/page", (HOST, *PREFLIGHT)))
    assert asked.status == 204
    assert asked.values(b"access-control-allow-methods") == [b"DELETE"]
    # A path without a route is answered outside of Litestar's middleware.
    paths = ("/page", "/auth/session", *(("/nowhere",) if build is not APPS["litestar"] else ()))
    for answer in (asked, *(ask(app, path, PAGE) for path in paths)):
        assert answer.values(b"access-control-allow-origin") == [b"https://app.example.com"], answer
        assert answer.values(b"access-control-allow-credentials") == [b"true"]


def test_a_page_of_a_trusted_origin_may_sign_up(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer, trusted_origins=("https://app.example.com",))
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
    other = send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON, (b"origin", b"https://evil.example")), body))
    assert other.status == 403
    answer = send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON, PAGE), body))
    assert (answer.status, answer.values(b"access-control-allow-origin")) == (201, [b"https://app.example.com"])


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"https://app.example.com.evil.example"])
def test_a_page_of_another_origin_may_not(build: Build, issuer: AsyncIssuer, origin: bytes) -> None:
    app, _ = build(issuer=issuer, trusted_origins=("https://app.example.com",))
    sent = ((b"origin", origin), *PREFLIGHT[1:])
    for method in ("OPTIONS", "GET"):
        answer = send_asgi(app, Sent(method, "/page", (HOST, *sent)))
        assert not [name for name, _ in answer.headers if name.startswith(b"access-control-allow-origin")]


def test_an_application_without_trusted_origins_answers_no_preflight(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer)
    answer = send_asgi(app, Sent("OPTIONS", "/page", (HOST, *PREFLIGHT)))
    assert not answer.values(b"access-control-allow-origin")

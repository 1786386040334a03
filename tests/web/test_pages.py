"""Support for the pages of an application, under ASGI and WSGI."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from keyturn import AsyncIssuer
from keyturn.errors import ConfigurationError, Refusal, StepUpRequired, StoreUnavailable, Unauthenticated
from keyturn.web.message import Reply
from keyturn.web.pages import AsgiPages, WsgiPages
from web.exchanges import HOST, PASSWORD, Sent, asgi_scope, open_async, open_sync, settings, wsgi_environ
from web.test_form_exchanges import SESSION, jar, pairs

HTML = (b"accept", b"text/html")
Redirect = Callable[[Sent, str, Refusal], Reply | None]


def redirect_by_asgi(sent: Sent, root_path: str, refusal: Refusal) -> Reply | None:
    issuer = open_async()
    scope = asgi_scope(sent)
    scope |= {"root_path": root_path, "path": root_path + scope["path"]}
    found = AsgiPages(issuer, step_up_page="/confirm").redirect(scope, refusal)
    issuer.parts.hasher.close()
    return found


def redirect_by_wsgi(sent: Sent, root_path: str, refusal: Refusal) -> Reply | None:
    issuer = open_sync()
    environ = wsgi_environ(sent)
    path = environ["PATH_INFO"].encode().decode("latin-1")
    found = WsgiPages(issuer, step_up_page="/confirm").redirect(
        environ | {"SCRIPT_NAME": root_path, "PATH_INFO": path}, refusal
    )
    issuer.parts.hasher.close()
    return found


@pytest.mark.parametrize("redirect", [redirect_by_asgi, redirect_by_wsgi])
def test_a_page_below_a_prefix_is_redirected_with_the_prefix(redirect: Redirect) -> None:
    sent = Sent("GET", "/caf\u00e9?page=2", (HOST, HTML))
    for root_path, prefix in (("", "/"), ("/shop", "/shop/")):
        for refusal, page in ((Unauthenticated(), "login"), (StepUpRequired(), "confirm")):
            reply = redirect(sent, root_path, refusal)
            assert reply is not None
            wanted = f"{prefix}caf%C3%A9?page=2".replace("%", "%25").replace("/", "%2F")
            location = dict(reply.headers)[b"location"].decode()
            assert location == f"{prefix}{page}?next={wanted.replace('?', '%3F').replace('=', '%3D')}"
    assert redirect(Sent("GET", "/orders"), "", Unauthenticated()) is None


def test_a_page_of_a_mount_within_starlette_is_redirected_to_the_page_of_the_application() -> None:
    issuer, found = open_async(), list[str]()
    pages = AsgiPages(issuer)

    async def answer(request: StarletteRequest) -> PlainTextResponse:
        reply = pages.redirect(request.scope, Unauthenticated())
        assert reply is not None
        found.append(dict(reply.headers)[b"location"].decode())
        return PlainTextResponse("")

    app = Starlette(routes=[Mount("/admin", routes=[Route("/orders", answer)]), Route("/orders", answer)])
    for root_path in ("", "/shop"):
        for path in ("/orders", "/admin/orders"):
            scope = asgi_scope(Sent("GET", path, (HOST, HTML)))
            asyncio.run(call(app, scope | {"root_path": root_path, "path": root_path + path}))
    assert found == [
        "/login?next=%2Forders",
        "/login?next=%2Fadmin%2Forders",
        "/shop/login?next=%2Fshop%2Forders",
        "/shop/login?next=%2Fshop%2Fadmin%2Forders",
    ]
    issuer.parts.hasher.close()


async def call(app: Any, scope: dict[str, Any]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: object) -> None:
        pass

    await app(scope, receive, send)


class SlowEntropy:
    async def token_bytes(self, size: int) -> bytes:
        await asyncio.sleep(60)
        return bytes(size)


def test_a_page_waits_for_a_slow_store_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, other = open_async(), open_sync()
    issuer.parts = replace(issuer.parts, ports=replace(issuer.parts.ports, entropy=SlowEntropy()))  # type: ignore[misc]
    monkeypatch.setattr("keyturn.web.pages.FLOW_SECONDS", 0.01)
    with pytest.raises(StoreUnavailable):
        asyncio.run(AsgiPages(issuer).form_token(asgi_scope(Sent("GET", "/login"))))
    monkeypatch.setattr("keyturn.web.pages.FLOW_SECONDS", -1.0)
    with pytest.raises(StoreUnavailable):
        WsgiPages(other).form_token(wsgi_environ(Sent("GET", "/login")))
    issuer.parts.hasher.close()
    other.parts.hasher.close()


def test_a_handshake_is_not_redirected() -> None:
    issuer = open_async()
    scope = asgi_scope(Sent("GET", "/orders", (HOST, HTML))) | {"type": "websocket"}
    assert AsgiPages(issuer).redirect(scope, Unauthenticated()) is None
    issuer.parts.hasher.close()


@pytest.mark.parametrize("page", ["login", "https://evil.example/login", "//evil.example"])
def test_a_login_page_elsewhere_is_refused(page: str) -> None:
    issuer = AsyncIssuer(settings())
    for pages in ((page, ""), ("/login", page)):
        with pytest.raises(ConfigurationError):
            AsgiPages(issuer, *pages)


def test_the_pages_of_an_asgi_application_open_the_issuer_and_set_cookies() -> None:
    scope = asgi_scope(Sent("GET", "/login"))

    async def run() -> None:
        issuer = AsyncIssuer(settings())
        pages = AsgiPages(issuer)
        first = await pages.form_token(scope)
        async with issuer:
            assert (await pages.form_token(scope)).cookies != first.cookies
            issued = await issuer.signup("ada@example.com", PASSWORD, deliver="cookie")
            cookies = pairs(pages.login_cookies(issued))
            assert cookies.keys() == {SESSION, "__Host-kt_device"}
            token = await pages.form_token(scope | {"headers": [(b"cookie", jar(cookies).encode())]})
            assert token == (issued.csrf_token, ())
            assert pages.logout_cookies()[0].startswith(f"{SESSION}=;")

    asyncio.run(run())

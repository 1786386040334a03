"""Starlette, FastAPI and Litestar: the lifespan, errors, login pages, principals of tests, settings."""

import asyncio
import json
from typing import Any

import pytest
from litestar import Litestar, Response, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from integrations.framework_apps import APPS
from integrations.framework_client import BOB, BROWSER, Build, ask, code, running, signup
from keyturn import AsyncIssuer, ConfigurationError, Principal, Refusal
from keyturn.integrations import litestar, starlette
from keyturn.verifier import Verifier
from keyturn.web import asgi_auth
from web.exchanges import open_async


def test_an_application_opens_its_issuer_in_each_lifespan(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer)

    async def live_twice() -> list[bool]:
        seen = []
        for _ in range(2):
            async with running(app):
                seen.append(issuer.current is not None)
            seen.append(issuer.current is not None)
        return seen

    assert asyncio.run(live_twice()) == [True, False, True, False]


def test_an_issuer_opens_on_first_use_without_a_lifespan(build: Build, tmp_path: Any) -> None:
    app, auth = build(data_dir=str(tmp_path))
    assert auth.issuer.current is None
    assert ask(app, "/.well-known/jwks.json").status == 200
    assert auth.issuer.current is not None
    asyncio.run(auth.issuer.close())


def test_a_scope_and_a_recent_login_are_required(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer)
    _, bearer = signup(app)
    assert code(ask(app, "/admin", bearer)) == (403, "forbidden")


def test_a_browser_that_asked_for_a_page_is_sent_to_the_login_page(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer, login_page="/login")
    answer = ask(app, "/page?tab=2", *BROWSER)
    assert (answer.status, answer.values(b"location")) == (303, [b"/login?next=%2Fpage%3Ftab%3D2"])
    assert code(ask(app, "/page")) == (401, "unauthenticated")


def test_a_resource_server_takes_bearer_tokens_only_and_has_no_endpoints(build: Build) -> None:
    verifier = Verifier("https://auth.example.com", audience="orders")
    app, auth = build(verifier=verifier)
    assert code(ask(app, "/page")) == (401, "unauthenticated")
    assert code(ask(app, "/page", (b"authorization", b"Bearer x"))) == (503, "unavailable")
    assert ask(app, "/auth/session").status == 404
    with pytest.raises(ConfigurationError):
        auth.issuer  # noqa: B018 - the property raises

    async def live() -> None:
        async with running(app):
            pass

    asyncio.run(live())


def test_a_test_of_a_fastapi_application_overrides_the_principal(issuer: AsyncIssuer) -> None:
    app, auth = APPS["fastapi"](issuer=issuer)
    app.dependency_overrides[auth.required] = lambda: BOB
    assert json.loads(ask(app, "/page").body) == {"subject": "bob"}
    assert code(ask(app, "/admin")) == (403, "forbidden")
    app.dependency_overrides[auth.requires("admin", fresh=60)] = lambda: BOB
    assert json.loads(ask(app, "/admin").body) == {"subject": "bob"}


def test_a_test_of_a_litestar_application_overrides_the_principal(issuer: AsyncIssuer) -> None:
    @get("/page")
    async def page(principal: litestar.RequiredPrincipal) -> dict[str, str]:
        return {"subject": principal.subject}

    async def bob() -> Principal:
        return BOB

    app = Litestar([page], plugins=[litestar.Keyturn(issuer)], dependencies={"principal": litestar.Provide(bob)})
    assert json.loads(ask(app, "/page").body) == {"subject": "bob"}


def test_an_application_replaces_how_a_refusal_is_answered(issuer: AsyncIssuer) -> None:
    def teapot(_request: Any, refusal: Any) -> Any:
        return PlainTextResponse(refusal.code, 418)

    for name in ("starlette", "fastapi"):
        app, _ = APPS[name](issuer=issuer)
        app.add_exception_handler(Refusal, teapot)
        assert (ask(app, "/page").status, ask(app, "/page").body) == (418, b"unauthenticated")

    @get("/page")
    async def page(principal: litestar.RequiredPrincipal) -> str:
        return principal.subject

    handlers: Any = {Refusal: lambda _, refusal: Response(refusal.code, status_code=418, media_type="text/plain")}
    app = Litestar([page], plugins=[litestar.Keyturn(issuer)], exception_handlers=handlers)
    assert (ask(app, "/page").status, ask(app, "/page").body) == (418, b"unauthenticated")


def test_a_handler_that_raises_after_the_principal_is_known_is_an_error_of_the_application(
    issuer: AsyncIssuer,
) -> None:
    app = Starlette()
    auth = starlette.Keyturn(app, issuer)

    @auth.required
    async def broken(request: Request) -> None:
        raise ZeroDivisionError(auth.principal(request).subject)

    app.router.add_route("/broken", broken)  # type: ignore[arg-type]  # it returns no response
    subject, bearer = signup(app)
    with pytest.raises(ZeroDivisionError, match=subject):
        ask(app, "/broken", bearer)
    assert ask(app, "/auth/session", bearer).status == 200


def test_a_handler_without_a_request_is_a_mistake_that_is_named(issuer: AsyncIssuer) -> None:
    auth = starlette.Keyturn(Starlette(), issuer)
    with pytest.raises(TypeError, match="request or websocket"):

        @auth.required
        async def handler() -> None: ...


def test_two_issuers_in_one_process_accept_their_own_logins_only() -> None:
    first, second = open_async(), open_async(secret="0ther-s3cret-" * 5)
    apps = [APPS["fastapi"](issuer=each)[0] for each in (first, second)]
    (_, one), (_, two) = map(signup, apps)
    for app, own, foreign in ((apps[0], one, two), (apps[1], two, one)):
        for _ in range(2):
            assert ask(app, "/page", own).status == 200
            assert ask(app, "/page", foreign).status == 401
    for each in (first, second):
        asyncio.run(each.close())


def test_the_url_of_an_issuer_may_be_given_in_its_place(build: Build, tmp_path: Any) -> None:
    app, auth = build(issuer="https://shop.example.com", data_dir=str(tmp_path))
    assert auth.issuer.config.issuer == "https://shop.example.com"
    assert ask(app, "/open").status == 200
    assert auth.issuer.current is None


def test_an_authentication_that_takes_too_long_is_refused(issuer: AsyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(30)

    app, auth = APPS["fastapi"](issuer=issuer)
    monkeypatch.setattr(asgi_auth, "FLOW_SECONDS", 0.01)
    monkeypatch.setattr(auth, "_decide", hang)
    assert code(ask(app, "/page")) == (503, "store_unavailable")


def test_a_setting_beside_an_issuer_or_a_verifier_is_refused(build: Build, issuer: AsyncIssuer) -> None:
    for given in ({"issuer": issuer}, {"verifier": Verifier("https://auth.example.com", audience="orders")}):
        with pytest.raises(ConfigurationError, match="profile"):
            build(**given, profile="browser-strict")

"""``auth.user`` of each framework: the application's own object of the caller."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from integrations.framework_client import BOB
from integrations.user_apps import Customer, Customers, fastapi_app, flask_app, litestar_app, starlette_app
from keyturn import AsyncIssuer, Issuer, Verifier
from keyturn.integrations import fastapi
from web.exchanges import HOST, NOW, PASSWORD, Answer, Sent, cheap, send_asgi, settings

ADA = "ada"


class Site:
    """An application over accounts of its own, and a customer who is logged in."""

    def __init__(self, build: Callable[..., Callable[[Sent], Answer]], kind: type[Any]) -> None:
        self.own = Customers()
        clocks: dict[str, Any] = {"clock": lambda: NOW, "monotonic": lambda: 0.0, "background": False}
        self.issuer = cheap(kind.open(settings(), accounts=self.own, **clocks))
        self.send = build(issuer=self.issuer)
        cache = self.issuer.parts.session_cache
        cache.reset(self.issuer.parts.sync_store.log.snapshot())
        cache.mark_complete(0.0)  # as a running issuer does: requests are authenticated without the store
        self.issued = self.wait(self.issuer.signup(ADA, PASSWORD, deliver="both"))

    def wait(self, result: Any) -> Any:
        async def finish() -> Any:
            return await result

        return asyncio.run(finish()) if isinstance(self.issuer, AsyncIssuer) else result

    def get(self, path: str = "/mine", *, anonymous: bool = False) -> tuple[int, dict[str, Any]]:
        token = b"Bearer " + self.issued.access_token.reveal().encode()
        headers = (HOST,) if anonymous else (HOST, (b"authorization", token))
        answer = self.send(Sent("GET", path, headers))
        return answer.status, json.loads(answer.body)

    def refusal(self, path: str = "/mine", **given: Any) -> tuple[int, str]:
        status, body = self.get(path, **given)
        return status, body["code"]


SITES: dict[str, tuple[Any, Any]] = {
    "starlette": (starlette_app, AsyncIssuer),
    "fastapi": (fastapi_app, AsyncIssuer),
    "litestar": (litestar_app, AsyncIssuer),
    "flask": (flask_app, Issuer),
}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(*SITES[request.param])
    yield site
    site.wait(site.issuer.close())


def test_the_user_of_a_request_is_the_object_of_the_application_and_loaded_once(site: Site) -> None:
    assert site.get() == (200, {"email": ADA})
    assert site.own.loads == 1
    assert site.get() == (200, {"email": ADA})
    assert site.own.loads == 2


def test_an_anonymous_request_has_no_user(site: Site) -> None:
    assert site.refusal(anonymous=True) == (401, "unauthenticated")
    if site.send(Sent("GET", "/public", (HOST,))).status != 404:
        assert site.refusal("/public", anonymous=True) == (401, "unauthenticated")
    assert site.own.loads == 0


@pytest.mark.parametrize("change", [lambda own: own.store("1", active=False), lambda own: own.rows.clear()])
def test_a_user_who_became_inactive_or_was_deleted_is_refused_at_once(
    site: Site, change: Callable[[Customers], None]
) -> None:
    assert site.get()[0] == 200
    before = site.own.loads
    change(site.own)
    assert site.refusal() == (401, "token_revoked")
    assert site.own.loads == before
    assert [each.sid for each in site.wait(site.issuer.sessions(site.issued.subject))] == []


def test_accounts_that_load_no_object_of_an_active_account_are_refused(site: Site) -> None:
    site.own.user = lambda subject: None  # type: ignore[method-assign]
    assert site.refusal() == (401, "token_revoked")


def test_accounts_that_fail_are_unavailable(site: Site) -> None:
    def fail(subject: str) -> Customer:
        raise RuntimeError("the database of the shop is away")

    site.own.user = fail  # type: ignore[method-assign]
    assert site.refusal() == (503, "store_unavailable")


@pytest.mark.parametrize("name", SITES)
def test_an_issuer_that_keeps_the_accounts_itself_has_no_user(name: str) -> None:
    build, kind = SITES[name]
    site = Site.__new__(Site)
    site.issuer = cheap(kind.open(settings(), clock=lambda: NOW, monotonic=lambda: 0.0, background=False))
    site.send = build(issuer=site.issuer)
    site.issued = site.wait(site.issuer.signup("ada@example.com", PASSWORD, deliver="both"))
    assert site.refusal() == (503, "misconfigured")
    site.wait(site.issuer.close())


def test_a_test_of_a_fastapi_application_overrides_the_user_or_its_principal() -> None:
    app, own = FastAPI(), Customers()
    auth = fastapi.Keyturn(app, cheap(AsyncIssuer.open(settings(), accounts=own, background=False)))

    @app.get("/mine")
    async def mine(customer: Annotated[Any, Depends(auth.user)]) -> dict[str, str]:
        return {"email": customer.email}

    app.dependency_overrides[auth.user] = lambda: Customer("7", "eve")
    assert json.loads(send_asgi(app, Sent("GET", "/mine", (HOST,))).body) == {"email": "eve"}
    own.create("bob", "no hash")
    app.dependency_overrides = {auth.required: lambda: BOB._replace(subject="1")}
    assert json.loads(send_asgi(app, Sent("GET", "/mine", (HOST,))).body) == {"email": "bob"}
    asyncio.run(auth.issuer.close())


def test_the_document_of_fastapi_shows_that_a_user_needs_a_login() -> None:
    app = FastAPI()
    auth = fastapi.Keyturn(app, verifier=Verifier("https://auth.example.com", audience="orders"))

    @app.get("/mine")
    async def mine(customer: Annotated[Any, Depends(auth.user)]) -> None:
        pass

    assert app.openapi()["paths"]["/mine"]["get"]["security"]


def test_two_parts_of_one_request_get_one_object() -> None:
    own = Customers()
    issuer = cheap(AsyncIssuer.open(settings(), accounts=own, background=False))
    auth = fastapi.Keyturn(FastAPI(), issuer)

    async def load_twice() -> tuple[Any, Any]:
        issued = await issuer.signup(ADA, PASSWORD, deliver="tokens")
        principal = await issuer.verify(issued.access_token.reveal())
        scope: dict[str, Any] = {"type": "http"}
        users = await auth.load_user(scope, principal), await auth.load_user(scope, principal)
        await issuer.close()
        return users

    first, second = asyncio.run(load_twice())
    assert first is second
    assert own.loads == 1

"""Starlette, FastAPI and Litestar: the lifespan, WebSockets, errors, login pages, the document, principals of tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from litestar import Litestar, Response, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from integrations.framework_apps import APPS
from keyturn import AsyncIssuer, ConfigurationError, Principal, Refusal
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.integrations import fastapi, litestar, starlette
from keyturn.verifier import Verifier
from keyturn.web import asgi_auth
from web.exchanges import HOST, JSON, PASSWORD, Answer, Sent, asgi_scope, cheap, open_async, send_asgi, settings

BOB = Principal(Subject("bob"), SessionId("s"), "client", "session", Instant(0), Instant(1))
BROWSER = ((b"accept", b"text/html,*/*;q=0.8"), (b"sec-fetch-mode", b"navigate"))
Build = Callable[..., tuple[Any, Any]]


@pytest.fixture(params=APPS)
def build(request: pytest.FixtureRequest) -> Build:
    return APPS[request.param]


@pytest.fixture
def issuer() -> Iterator[AsyncIssuer]:
    made = open_async()
    yield made
    asyncio.run(made.close())


@pytest.fixture
def live_issuer() -> Iterator[AsyncIssuer]:
    """Yield an issuer that follows its feed, as open sockets need it."""
    made: AsyncIssuer = cheap(AsyncIssuer.open(settings()))
    yield made
    asyncio.run(made.close())


def signup(app: Any) -> tuple[str, tuple[bytes, bytes]]:
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}).encode()
    answer = json.loads(send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON), body)).body)
    return answer["subject"], (b"authorization", b"Bearer " + answer["access_token"].encode())


def ask(app: Any, path: str, *headers: tuple[bytes, bytes]) -> Answer:
    return send_asgi(app, Sent("GET", path, (HOST, *headers)))


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def connect(app: Any, *headers: tuple[bytes, bytes], extensions: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Open a WebSocket, and return what the application sent."""
    scope = asgi_scope(Sent("GET", "/socket", (HOST, *headers))) | {
        "type": "websocket",
        "scheme": "wss",
        "subprotocols": [],
        "extensions": {name: {} for name in extensions},
    }
    del scope["method"]  # a handshake has none
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Run the lifespan of an application, as a server does."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    yield
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await task


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


def test_a_socket_is_opened_with_a_credential_and_refused_without(build: Build, live_issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=live_issuer)
    subject, bearer = signup(app)
    texts = [each["text"] for each in connect(app, bearer) if each["type"] == "websocket.send"]
    assert texts == [subject]
    refused = connect(app)
    assert [(each["type"], each["code"], each["reason"]) for each in refused] == [
        ("websocket.close", 1008, "unauthenticated")
    ]


def test_a_handshake_of_another_site_is_refused_although_its_cookie_is_live(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer)
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()
    answer = send_asgi(app, Sent("POST", "/auth/signup", (HOST, JSON), body))
    cookie = (b"cookie", b"; ".join(each.partition(b";")[0] for each in answer.values(b"set-cookie")))
    assert ask(app, "/page", cookie).status == 200
    refused = connect(app, cookie, (b"origin", b"https://evil.example"))
    assert [each.get("reason") for each in refused] == ["cross_origin"]


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_a_handshake_is_denied_with_the_problem_where_the_server_can(name: str, issuer: AsyncIssuer) -> None:
    app, _ = APPS[name](issuer=issuer)
    start, body = connect(app, extensions=("websocket.http.response",))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert json.loads(body["body"])["code"] == "unauthenticated"


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


def document(name: str, app: Any) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi() if name == "fastapi" else app.openapi_schema.to_schema()
    return found


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
def test_the_document_shows_endpoints_schemes_scopes_and_refusals(name: str, issuer: AsyncIssuer) -> None:
    app, _ = APPS[name](issuer=issuer)
    found = document(name, app)
    assert document(name, app) == found
    assert "post" in found["paths"]["/auth/login"]
    assert {"bearer", "session", "access"} <= found["components"]["securitySchemes"].keys()
    assert "keyturn" not in found["components"]["securitySchemes"]
    assert found["paths"]["/page"]["get"]["security"] == [{"bearer": []}, {"session": []}, {"access": []}]
    assert not found["paths"]["/open"]["get"].get("security")
    admin = found["paths"]["/admin"]["get"]
    assert admin["security"][0] == {"bearer": ["admin"]}
    assert {"401", "403", "503"} <= admin["responses"].keys()
    references = set(_references(found))
    assert {each.removeprefix("#/components/schemas/") for each in references} <= found["components"]["schemas"].keys()


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
def test_the_document_of_a_resource_server_shows_bearer_tokens_only(name: str) -> None:
    app, _ = APPS[name](verifier=Verifier("https://auth.example.com", audience="orders"))
    found = document(name, app)
    assert found["paths"].keys() == {"/open", "/page", "/admin"}
    assert found["paths"]["/page"]["get"]["security"] == [{"bearer": []}]
    assert found["components"]["securitySchemes"].keys() == {"bearer"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref" and each.startswith("#/components/schemas/"))
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


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


def test_a_socket_that_is_refused_after_it_was_accepted_is_closed(issuer: AsyncIssuer) -> None:
    app = fastapi.FastAPI()
    fastapi.Keyturn(app, issuer)

    @app.websocket("/socket")
    async def socket(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        BOB.require_scope("admin")

    assert [(each["type"], each.get("reason")) for each in connect(app)][-1] == ("websocket.close", "forbidden")


async def drop_after_logout(app: Any, bearer: tuple[bytes, bytes], path: str) -> list[dict[str, Any]]:
    """Open a socket, log out of every device while it is open, and return what was sent on it."""
    sent: list[dict[str, Any]] = []
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    accepted = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        accepted.set()

    scope = asgi_scope(Sent("GET", path, (HOST, bearer))) | {"type": "websocket", "subprotocols": [], "extensions": {}}
    del scope["method"]
    await inbox.put({"type": "websocket.connect"})
    task = asyncio.create_task(app(scope, inbox.get, send))
    await asyncio.wait_for(accepted.wait(), 10)
    await asyncio.to_thread(send_asgi, app, Sent("POST", "/auth/logout-all", (HOST, bearer)))
    await asyncio.wait_for(task, 20)
    return sent


def test_a_socket_is_closed_when_its_session_ends(build: Build, tmp_path: Any) -> None:
    app, _ = build(data_dir=str(tmp_path))

    async def live() -> list[dict[str, Any]]:
        async with running(app):
            _, bearer = await asyncio.to_thread(signup, app)
            return await drop_after_logout(app, bearer, "/waiting")

    assert [(each["type"], each.get("code")) for each in asyncio.run(live())] == [
        ("websocket.accept", None),
        ("websocket.close", 4401),
    ]


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


def test_the_sockets_and_the_lifespan_of_an_application_with_trusted_origins_pass(
    build: Build, live_issuer: AsyncIssuer
) -> None:
    app, _ = build(issuer=live_issuer, trusted_origins=("https://app.example.com",))
    _, bearer = signup(app)
    assert connect(app, bearer)[0]["type"] == "websocket.accept"

    async def live() -> None:
        async with running(app):
            assert live_issuer.current is not None

    asyncio.run(live())


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


def test_a_prefix_moves_the_endpoints_and_their_document(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer, prefix="/accounts/auth")
    assert code(ask(app, "/accounts/auth/session")) == (401, "unauthenticated")
    assert ask(app, "/auth/session").status == 404
    metadata = json.loads(ask(app, "/.well-known/oauth-authorization-server").body)
    assert metadata["token_endpoint"] == "https://auth.example.com/accounts/auth/token"
    refused = json.loads(ask(app, "/page").body)
    assert refused["type"] == "https://auth.example.com/accounts/auth/docs/errors#unauthenticated"
    assert ask(app, "/accounts/auth/docs/errors").status == 200
    if build is not APPS["starlette"]:
        name = "fastapi" if build is APPS["fastapi"] else "litestar"
        assert "/accounts/auth/login" in document(name, app)["paths"]

"""Pages with forms in each ASGI framework: the redirect to the login page, the hidden token, login and logout."""

import json
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import fastapi
import pytest
import starlette.requests
from litestar import Litestar, MediaType, Request, Response, get
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from keyturn import AsyncIssuer, Principal
from keyturn.errors import ConfigurationError, Unauthenticated
from keyturn.integrations.fastapi import Keyturn as FastapiKeyturn
from keyturn.integrations.litestar import Keyturn as LitestarKeyturn
from keyturn.integrations.litestar import RequiredPrincipal
from keyturn.integrations.starlette import Keyturn as StarletteKeyturn
from keyturn.web.asgi_integration import AsgiIntegration
from web.exchanges import FORM, HOST, PASSWORD, Answer, Sent, open_async, send_asgi

HTML = (b"accept", b"text/html")


def in_starlette(issuer: AsyncIssuer) -> Any:
    async def login(request: starlette.requests.Request) -> HTMLResponse:
        token, cookies = await auth.pages.form_token(request.scope)
        response = HTMLResponse(token.reveal())
        for each in cookies:
            response.headers.append("set-cookie", each)
        return response

    async def account(request: starlette.requests.Request) -> JSONResponse:
        return JSONResponse(auth.principal(request).subject)

    app = Starlette(routes=[Route("/login", login)])
    auth = StarletteKeyturn(app, issuer, login_page="/login")
    app.router.routes.append(Route("/account", auth.required(account)))
    return app


def in_fastapi(issuer: AsyncIssuer) -> Any:
    app = fastapi.FastAPI()
    auth = FastapiKeyturn(app, issuer, login_page="/login")

    @app.get("/login")
    async def login(request: fastapi.Request) -> HTMLResponse:
        token, cookies = await auth.pages.form_token(request.scope)
        response = HTMLResponse(token.reveal())
        for each in cookies:
            response.headers.append("set-cookie", each)
        return response

    @app.get("/account")
    async def account(principal: Annotated[Principal, fastapi.Depends(auth.required)]) -> str:
        return str(principal.subject)

    return app


def in_litestar(issuer: AsyncIssuer) -> Any:
    auth = LitestarKeyturn(issuer, login_page="/login")

    @get("/login", media_type=MediaType.HTML)
    async def login(request: Request[Any, Any, Any]) -> Response[str]:
        token, cookies = await auth.pages.form_token(request.scope)
        return Response(token.reveal(), headers=dict(("Set-Cookie", each) for each in cookies))

    @get("/account")
    async def account(principal: RequiredPrincipal) -> str:
        return json.dumps(principal.subject)

    return Litestar([login, account], plugins=[auth])


def cookies_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    pairs = [each.partition(b";")[0] for each in answer.values(b"set-cookie")]
    kept = b"; ".join(each for each in pairs if not each.endswith(b"="))
    return [(b"cookie", kept)] if kept else []


@pytest.mark.parametrize("build", [in_starlette, in_fastapi, in_litestar])
def test_a_browser_logs_in_by_a_form_and_out_again(build: Callable[[AsyncIssuer], Any]) -> None:
    issuer = open_async()
    app = build(issuer)

    def send(method: str, path: str, *headers: tuple[bytes, bytes], **fields: str) -> Answer:
        return send_asgi(app, Sent(method, path, (HOST, HTML, *headers), urlencode(fields).encode()))

    first = send("GET", "/account")
    assert (first.status, first.values(b"location")) == (303, [b"/login?next=%2Faccount"])
    page = send("GET", "/login")
    fields = {"email": "ada@example.com", "password": PASSWORD, "next": "/account", "back": "/login"}
    entered = send("POST", "/auth/signup", FORM, *cookies_of(page), csrf_token=page.body.decode(), **fields)
    assert (entered.status, entered.values(b"location")) == (303, [b"/account"])
    session = cookies_of(entered)
    shown = send("GET", "/account", *session)
    assert (shown.status, len(json.loads(shown.body))) == (200, 22)
    within = send("GET", "/login", *session)
    assert (within.body[:8], within.values(b"set-cookie")) == (b"kt_csrf_", [])
    refused = send("POST", "/auth/login", FORM, *cookies_of(page), **fields)
    assert refused.values(b"location") == [b"/login?error=csrf_token_required&next=%2Faccount"]
    left = send("POST", "/auth/logout", FORM, *session, csrf_token=within.body.decode(), next="/login")
    assert (left.status, left.values(b"location")) == (303, [b"/login"])
    assert send("GET", "/account", *session).values(b"location") == [b"/login?next=%2Faccount"]
    issuer.parts.hasher.close()


def test_a_resource_server_has_no_pages() -> None:
    class NoVerifier:
        issuer = "https://auth.example.com"

    auth = AsgiIntegration(verifier=NoVerifier(), login_page="/login")  # type: ignore[arg-type]  # never asked
    with pytest.raises(ConfigurationError):
        _ = auth.pages

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await auth.refuse(Unauthenticated(), scope, receive, send)

    assert send_asgi(refuse, Sent("GET", "/account", (HOST, HTML))).status == 401

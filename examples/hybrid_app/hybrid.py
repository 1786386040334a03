"""A website and an API in one Starlette application: a device list whose button ends the login of a lost phone."""

import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from keyturn import AsyncIssuer
from keyturn.integrations.starlette import Keyturn

HERE = Path(__file__).parent
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}

app = Starlette()
issuer = AsyncIssuer.from_env(credentials="hybrid")
auth = Keyturn(app, issuer, login_page="/login")
app.mount("/static", StaticFiles(directory=HERE / "static"))
templates = Jinja2Templates(HERE / "templates")


def ago(moment: float) -> str:
    minutes = int(time.time() - moment) // 60
    return "just now" if minutes < 1 else f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


async def page(request: Request, template: str, **shown: object) -> Response:
    token, cookies = await auth.pages.form_token(request.scope)
    shown |= {"token": token.reveal(), "asked": request.query_params, "profile": issuer.config.profile, "ago": ago}
    response = templates.TemplateResponse(request, template, shown, headers=HEADERS)
    for each in cookies:
        response.headers.append("Set-Cookie", each)
    return response


@auth.required
async def devices(request: Request) -> Response:
    user = auth.principal(request)
    return await page(request, "devices.html", user=user, devices=await issuer.sessions(user.subject))


@auth.optional
async def login(request: Request) -> Response:
    return await page(request, "login.html", user=request.user)


@auth.required
async def me(request: Request) -> Response:
    user = auth.principal(request)
    return JSONResponse({"subject": user.subject, "credential": user.credential})


app.add_route("/", devices)
app.add_route("/login", login)
app.add_route("/api/me", me)

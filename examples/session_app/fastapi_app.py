"""A website with accounts, in FastAPI: HTML forms, one session cookie, a device list, log out everywhere."""

from pathlib import Path
from time import gmtime, strftime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from keyturn import AsyncIssuer
from keyturn.integrations.fastapi import Keyturn, Principal

HERE = Path(__file__).parent
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}

app = FastAPI(openapi_url=None)
issuer = AsyncIssuer.from_env(credentials="session", profile="browser-strict")
auth = Keyturn(app, issuer, login_page="/login")
app.mount("/static", StaticFiles(directory=HERE / "static"))
templates = Jinja2Templates(HERE / "templates")
templates.env.globals.update(gmtime=gmtime, strftime=strftime)


async def page(request: Request, template: str, **shown: Any) -> Response:
    token, cookies = await auth.pages.form_token(request.scope)
    shown |= {"keyturn_csrf_token": token.reveal, "asked": request.query_params}
    shown |= {"password": issuer.config.profile.password}
    response = templates.TemplateResponse(request, template, shown, headers=HEADERS)
    for each in cookies:
        response.headers.append("Set-Cookie", each)
    return response


@app.get("/")
async def account(request: Request, user: Annotated[Principal, Depends(auth.required)]) -> Response:
    return await page(request, "account.html", user=user, devices=await issuer.sessions(user.subject))


@app.get("/login")
async def login(request: Request, user: Annotated[Principal | None, Depends(auth.optional)]) -> Response:
    return await page(request, "login.html", user=user)

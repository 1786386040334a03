"""A website with accounts: HTML forms, one session cookie, a device list, log out everywhere. No JavaScript."""

from dataclasses import replace
from pathlib import Path
from time import gmtime, strftime

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from keyturn import AsyncIssuer, Refusal
from keyturn.flows import drive_async
from keyturn.server.app import build_app
from keyturn.web import application, asgi
from keyturn.web.message import Reply
from keyturn.web.parse import read_form
from keyturn.web.routes import match

HERE = Path(__file__).parent
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'"}
auth = AsyncIssuer.from_env(credentials="session", profile="browser-strict")
app = FastAPI(lifespan=build_app(auth).router.lifespan_context, openapi_url=None, redirect_slashes=False)
app.mount("/static", StaticFiles(directory=HERE / "static"))
templates = Jinja2Templates(HERE / "templates")
templates.env.globals.update(gmtime=gmtime, strftime=strftime, password=auth.config.profile.password)


async def call(request: Request, method: str, path: str) -> Reply:
    """Call an endpoint of Keyturn's API on behalf of a browser: form fields as JSON, the CSRF token in its header."""
    received = await asgi.read_request(request.scope, request.url.path, request.receive, ())
    fields = read_form(received, dict[str, str]) if request.method == "POST" else {}
    request.state.email = fields.get("email", "")
    added = [(b"content-type", b"application/json"), (b"x-csrf-token", fields.pop("csrf_token", "").encode())]
    headers = added + [each for each in received.headers if each[0] not in dict(added)]
    sent = replace(received, method=method, path=path, headers=headers, body=msgspec.json.encode(fields))
    flow = match(method, path).endpoint(sent, auth.parts.now(), application.web_config_of(auth))
    return await drive_async(flow, auth.parts.ports)


@app.exception_handler(Refusal)
async def refuse(request: Request, refusal: Refusal) -> Response:
    template = "login.html" if refusal.status in (401, 409, 422) else "refused.html"
    return templates.TemplateResponse(request, template, {"refusal": refusal}, refusal.status, HEADERS)


@app.get("/")
@app.get("/auth/{_:path}")  # where a refused form leaves the browser
async def account(request: Request) -> Response:
    session = msgspec.json.decode((await call(request, "GET", "/auth/session")).body)
    shown = {"session": session, "devices": await auth.sessions(session["subject"])}
    return templates.TemplateResponse(request, "account.html", shown, headers=HEADERS)


@app.post("/auth/{path:path}")
async def submit(request: Request, path: str) -> Response:
    reply = await call(request, "DELETE" if path.startswith("sessions/") else "POST", f"/auth/{path}")
    response = Response(status_code=303, headers={"Location": "/"})
    response.raw_headers += [each for each in reply.headers if each[0] == b"set-cookie"]
    return response

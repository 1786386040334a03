"""A login and a protected route of one framework. An interpreter that has only Keyturn and that framework runs it.

It prints the status of each answer as JSON. Requests are calls of the application: there is no server and no client.
"""

import asyncio
import io
import json
import sys

CREDENTIALS = {"email": "ada@example.com", "password": "violet umbrella 7 o clock", "deliver": "cookie"}
FRAMEWORKS = ("starlette", "fastapi", "litestar", "flask", "django")


def build_starlette():
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse

    from keyturn.integrations.starlette import Keyturn

    app = Starlette()
    auth = Keyturn(app)

    @auth.required
    async def me(request):
        return JSONResponse({"subject": request.user.subject})

    app.add_route("/me", me)
    return app, auth.issuer


def build_fastapi():
    from typing import Annotated

    from fastapi import Depends, FastAPI

    from keyturn.integrations.fastapi import Keyturn, Principal

    app = FastAPI()
    auth = Keyturn(app)

    @app.get("/me")
    async def me(user: Annotated[Principal, Depends(auth.required)]) -> dict[str, str]:
        return {"subject": user.subject}

    return app, auth.issuer


def build_litestar():
    from litestar import Litestar, get

    from keyturn.integrations.litestar import Keyturn, RequiredPrincipal

    @get("/me")
    async def me(principal: RequiredPrincipal) -> dict[str, str]:
        return {"subject": principal.subject}

    auth = Keyturn()
    return Litestar([me], plugins=[auth]), auth.issuer


def build_flask():
    from flask import Flask

    from keyturn.integrations.flask import Keyturn, principal

    app = Flask(__name__)
    auth = Keyturn(app)
    app.add_url_rule("/me", view_func=auth.required(lambda: {"subject": principal.subject}))
    with app.app_context():
        return app, auth.issuer


def build_django():
    import django
    from django.conf import settings
    from django.http import JsonResponse
    from django.urls import include, path

    settings.configure(
        SECRET_KEY="of this test",
        ROOT_URLCONF=[],
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=["keyturn.integrations.django"],
        MIDDLEWARE=["keyturn.integrations.django.middleware.KeyturnMiddleware"],
    )
    django.setup()
    from django.core.wsgi import get_wsgi_application

    from keyturn.integrations.django import issuer, required

    me = required(lambda request: JsonResponse({"subject": request.principal.subject}))
    settings.ROOT_URLCONF = (path("me", me), path("", include("keyturn.integrations.django.urls")))
    return get_wsgi_application(), issuer()


async def ask_asgi(app, method, path, headers, body):
    """Return the status and the headers of an answer of an ASGI application."""
    messages = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        messages.append(message)

    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        },
        receive,
        send,
    )
    return messages[0]["status"], [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]


def ask_wsgi(app, method, path, headers, body):
    """Return the status and the headers of an answer of a WSGI application."""
    answer = []
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    content = {"CONTENT_TYPE": headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body))}
    wsgi = {"wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr}
    request = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""}
    server = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1"}
    environ = {**named, **content, **wsgi, **request, **server, "REMOTE_ADDR": "127.0.0.1"}
    chunks = app(environ, lambda status, headers, *_: answer.append((int(status[:3]), headers)))
    b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return answer[0]


async def travel(ask):
    """Return the statuses of a visit: without a login, sign-up, with it, log-out everywhere, with what is left."""
    body, host = json.dumps(CREDENTIALS).encode(), {"host": "127.0.0.1:8000"}
    anonymous, _ = await ask("GET", "/me", host, b"")
    signup, headers = await ask("POST", "/auth/signup", {**host, "content-type": "application/json"}, body)
    cookies = [value.partition(";")[0] for name, value in headers if name.lower() == "set-cookie"]
    login = {**host, "cookie": "; ".join(cookies)}
    known, _ = await ask("GET", "/me", login, b"")
    again, _ = await ask("GET", "/me", login, b"")
    logout, _ = await ask("POST", "/auth/logout-all", login, b"")
    ended, _ = await ask("GET", "/me", login, b"")
    return [anonymous, signup, known, again, logout, ended]


async def visit_asgi(app, issuer):
    """Visit an ASGI application in its lifespan."""
    async with issuer:
        return await travel(lambda *request: ask_asgi(app, *request))


def visit_wsgi(app, issuer):
    """Visit a WSGI application."""

    async def ask(*request):
        return ask_wsgi(app, *request)

    with issuer:
        return asyncio.run(travel(ask))


def main(name):
    """Print what the framework answers, and which other frameworks were imported."""
    app, issuer = globals()[f"build_{name}"]()
    is_wsgi = name in ("flask", "django")
    statuses = visit_wsgi(app, issuer) if is_wsgi else asyncio.run(visit_asgi(app, issuer))
    print(json.dumps({"statuses": statuses, "imported": sorted(set(FRAMEWORKS) & set(sys.modules))}))


if __name__ == "__main__":
    main(sys.argv[1])

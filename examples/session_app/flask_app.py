"""A website with accounts, in Flask: HTML forms, one session cookie, a device list, log out everywhere."""

from time import gmtime, strftime
from typing import Any

from flask import Flask, Response, make_response, render_template, request

from keyturn.integrations.flask import Keyturn, principal

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}

app = Flask(__name__)
app.config.update(KEYTURN_CREDENTIALS="session", KEYTURN_PROFILE="browser-strict")
auth = Keyturn(app, login_page="/login")
app.jinja_env.globals.update(gmtime=gmtime, strftime=strftime)


def page(template: str, **shown: Any) -> Response:
    shown |= {"user": principal, "asked": request.args, "password": auth.issuer.config.profile.password}
    response = make_response(render_template(template, **shown))
    response.headers.update(HEADERS)
    return response


@app.get("/")
@auth.required
def account() -> Response:
    return page("account.html", devices=auth.issuer.sessions(principal.subject))


@app.get("/login")
@auth.optional
def login() -> Response:
    return page("login.html")

"""Pages without a script in Chromium: forms that sign up, log in and log out, and forms of pages elsewhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from playwright.sync_api import Browser, Page

from keyturn import Issuer, Refusal
from keyturn.config.settings import Settings
from keyturn.web.pages import WsgiPages
from keyturn.web.wsgi import WsgiEndpoints
from keyturn.web.wsgi_auth import WsgiAuth
from server_process.process import PASSWORD
from services.ports import free_port

EMAIL = "ada@example.com"
FIELDS = """<input type="hidden" name="csrf_token" value="{token}"> <input type="hidden" name="next" value="{next}">
<input type="hidden" name="back" value="/login">"""
LOGIN = f"""<p id="error">{{error}}</p><form method="post" action="/auth/login" referrerpolicy="no-referrer">{FIELDS}
<input name="email"><input name="password" type="password">
<button id="login">Log in</button><button id="signup" formaction="/auth/signup">Sign up</button></form>"""
ACCOUNT = f"""<p id="subject">{{subject}}</p><form method="post" action="/auth/logout">{FIELDS}
<button id="logout">Log out</button></form>"""
ATTACK = """<form method="post" action="{action}"><input name="email" value="eve@example.com">
<input name="password" value="{password}"><input name="csrf_token" value="{token}"><input name="next" value="/account">
<button>Win a prize</button></form>"""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Site:
    """An application with pages of its own and the endpoints. ``tokens``: those that its pages were given."""

    def __init__(self, url: str, profile: str) -> None:
        given: dict[str, Any] = {"issuer": url, "audience": url, "store": "memory:", "secret": "s3cret-" * 8}
        self.issuer = Issuer.open(Settings(**given, profile=profile, algorithm="ES256"))
        self.url, self._pages, self._auth = url, WsgiPages(self.issuer), WsgiAuth(self.issuer)
        self._endpoints = WsgiEndpoints(self.issuer)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith("/auth/"):
            return self._endpoints(environ, start_response)
        if path == "/login":
            asked = parse_qs(environ["QUERY_STRING"])
            shown = {name: asked.get(name, [""])[0] for name in ("next", "error")}
            return self._show(environ, start_response, LOGIN, **shown)
        try:
            subject = self._auth.require(environ).subject
        except Refusal as refusal:
            reply = self._pages.redirect(environ, refusal) or self._auth.reply(refusal, "GET", path)
            headers = [(name.decode(), value.decode("latin-1")) for name, value in reply.headers]
            start_response(f"{reply.status} Refused", headers)
            return [reply.body]
        return self._show(environ, start_response, ACCOUNT, subject=subject, next="/login")

    def _show(self, environ: Any, start_response: Any, page: str, **values: str) -> list[bytes]:
        token, cookies = self._pages.form_token(environ)
        headers = [("Content-Type", "text/html"), ("Cache-Control", "no-store")]
        start_response("200 OK", [*headers, *(("Set-Cookie", each) for each in cookies)])
        return [page.format(token=token, **{name: escape(value) for name, value in values.items()}).encode()]

    def attack(self, environ: Any, start_response: Any) -> list[bytes]:
        """Serve a page of another origin, with a token that its author got for a browser of his own."""
        token, _ = self._pages.form_token({"REQUEST_METHOD": "GET"})
        start_response("200 OK", [("Content-Type", "text/html")])
        action = self.url + environ["PATH_INFO"]
        return [ATTACK.format(action=action, password=PASSWORD, token=token).encode()]


@contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, server_class=_Server, handler_class=_Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(profile: str) -> Iterator[Site]:
    port = free_port()
    site = Site(f"http://127.0.0.1:{port}", profile)
    with site.issuer, serving(site, port):
        yield site


def enter(page: Page, button: str, password: str = PASSWORD) -> None:
    page.fill("[name=email]", EMAIL)
    page.fill("[name=password]", password)
    page.click(button)


def names(page: Page) -> set[str]:
    return {each["name"] for each in page.context.cookies()}


@pytest.mark.parametrize("profile", ["browser", "browser-strict"])
def test_a_page_without_a_script_signs_up_logs_out_and_logs_in(browser: Browser, profile: str) -> None:
    with running(profile) as site, browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}/account?tab=2")
        assert page.url == f"{site.url}/login?next=%2Faccount%3Ftab%3D2"
        assert names(page) == {"kt_form"}
        enter(page, "#signup")
        assert page.url == f"{site.url}/account?tab=2"
        subject = page.inner_text("#subject")
        page.click("#logout")
        assert (page.url, "kt_session" in names(page)) == (f"{site.url}/login", False)
        enter(page, "#login", "wrong")
        assert (page.url, page.inner_text("#error")) == (f"{site.url}/login?error=login_failed", "login_failed")
        page.goto(f"{site.url}/login?next=//evil.example")
        enter(page, "#login")
        assert page.url == f"{site.url}/"
        assert page.inner_text("#subject") == subject
        # A second tab, whose page is older than the login: its form is still good.
        page.click("#logout")
        other = context.new_page()
        other.goto(f"{site.url}/login?next=/account")
        enter(page, "#login")
        enter(other, "#login")
        assert other.url == f"{site.url}/account"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup", "/auth/logout"])
def test_a_form_of_another_origin_is_refused(browser: Browser, host: str, path: str) -> None:
    """Another port is another origin of the same site, another name another site."""
    port = free_port()
    with running("browser") as site, serving(site.attack, port), browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/login?next=/account")
        enter(page, "#signup")
        subject = page.inner_text("#subject")
        page.goto(f"http://{host}:{port}{path}")
        with page.expect_response(site.url + path) as found:
            page.click("button")
        assert found.value.status == 403
        assert '"code":"cross_origin"' in page.inner_text("body")
        page.goto(f"{site.url}/account")
        assert page.inner_text("#subject") == subject

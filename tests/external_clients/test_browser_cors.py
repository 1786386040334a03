"""Pages in Chromium that call the server of another origin: a trusted one, and one that is not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Browser, Page

from server_process import run_server
from server_process.process import PASSWORD
from services.ports import free_port

CALL = """async ([url, method, headers, body]) => {
  try {
    const answer = await fetch(url, {method, headers, body: body ?? undefined, credentials: "include"});
    const text = await answer.text();
    return [answer.status, text ? JSON.parse(text) : {}, answer.headers.get("WWW-Authenticate")];
  } catch (error) {
    return [error.name, {}, null];
  }
}"""
BLOCKED = "TypeError"
"""What ``fetch`` raises for an answer that CORS keeps from the page."""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def page_server() -> Iterator[str]:
    """Serve an empty page. Yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Caller:
    """A page that calls the server ``url`` with credentials."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url

    def json(self, path: str, csrf_token: str | None = None, **body: str) -> tuple[Any, dict[str, Any], str | None]:
        return self._call(path, "POST", {"Content-Type": "application/json"}, _encode(body), csrf_token)

    def form(self, path: str, body: str, csrf_token: str | None = None) -> tuple[Any, dict[str, Any], str | None]:
        return self._call(path, "POST", {"Content-Type": "application/x-www-form-urlencoded"}, body, csrf_token)

    def get(self, path: str) -> tuple[Any, dict[str, Any], str | None]:
        return self._call(path, "GET", {}, None, None)

    def _call(
        self, path: str, method: str, headers: dict[str, str], body: str | None, csrf_token: str | None
    ) -> tuple[Any, dict[str, Any], str | None]:
        sent = headers if csrf_token is None else headers | {"X-CSRF-Token": csrf_token}
        status, answer, challenge = self._page.evaluate(CALL, [self._url + path, method, sent, body])
        return status, answer, challenge


def _encode(body: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in body.items()) + "}"


def test_a_page_of_a_trusted_origin_signs_up_refreshes_and_logs_out_and_another_is_blocked(
    browser: Browser, tmp_path: Any
) -> None:
    with (
        page_server() as trusted,
        page_server() as other,
        run_server(tmp_path, profile="browser-strict", trusted_origins=trusted) as server,
        browser.new_context() as context,
    ):
        pages = []
        for origin in (trusted, other):
            page = context.new_page()
            page.goto(origin)
            pages.append(Caller(page, server.url))
        own, foreign = pages
        login = {"email": "ada@example.com", "password": PASSWORD, "deliver": "token-cookies"}

        assert foreign.json("/auth/signup", **login)[0] == BLOCKED
        status, account, _ = own.json("/auth/signup", **login)
        assert (status, "access_token" in account) == (201, False), "the page that was blocked has created no account"
        status, session, _ = own.get("/auth/session")
        assert (status, session["sid"]) == (200, account["sid"])
        assert foreign.get("/auth/session")[0] == BLOCKED
        for path in ("/auth/token", "/auth/logout"):
            assert foreign.form(path, "grant_type=refresh_token")[0] == BLOCKED
        assert own.form("/auth/token", "grant_type=refresh_token")[1]["code"] == "csrf_token_required"
        token = session["csrf_token"]
        status, refreshed, _ = own.form("/auth/token", "grant_type=refresh_token", token)
        assert (status, refreshed["sid"]) == (200, account["sid"])
        assert own.json("/auth/logout", token)[:1] == (200,)
        status, problem, challenge = own.get("/auth/session")
        assert (status, problem["code"], challenge) == (401, "unauthenticated", "Bearer")

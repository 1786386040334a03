"""Chromium's cookie jar over a move from http to https, and with two servers on one host.

Browsers ignore the port of a host: every server of this test writes to the same jar.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from server_process import run_server
from server_process.process import PASSWORD
from services.certificate import make_certificate
from services.nginx import Nginx
from services.ports import free_port

FETCH = """async ([path, body]) => {
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch(path, body ? {method: "POST", headers, body: JSON.stringify(body)} : {});
  return [answer.status, (await answer.json()).sid ?? null];
}"""
PLAIN = {"kt_session", "kt_device"}
PINNED = {"__Host-kt_session", "__Host-kt_device"}


@contextmanager
def tls(port: int, upstream: str, folder: Path) -> Iterator[str]:
    """Run an nginx that adds TLS to the server ``upstream``. Yield its URL, with ``port``."""
    certificate, key = make_certificate(folder)
    plain = free_port()
    body = f"""
        server {{ listen 127.0.0.1:{plain}; }}
        server {{
            listen 127.0.0.1:{port} ssl;
            ssl_certificate {certificate};
            ssl_certificate_key {key};
            location / {{ proxy_pass {upstream}; proxy_set_header Host $http_host; }}
        }}"""
    nginx = Nginx(plain, body)
    nginx.start()
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        nginx.remove()


def ask(page: Page, path: str, **body: str) -> tuple[int, str | None]:
    status, sid = page.evaluate(FETCH, [path, body or None])
    return status, sid


def enter(page: Page, path: str, deliver: str = "cookie") -> tuple[int, str | None]:
    return ask(page, path, email="ada@example.com", password=PASSWORD, deliver=deliver)


def open_page(context: Any, url: str) -> Page:
    page: Page = context.new_page()
    page.goto(url + "/livez")
    return page


def names(context: Any) -> set[str]:
    return {each["name"] for each in context.cookies()}


@pytest.mark.conforms("RFC 6265bis 4.1.3.2")
def test_a_login_over_https_replaces_the_cookies_from_http_and_leaves_those_of_another_server(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    with browser.new_context(ignore_https_errors=True) as context:
        with run_server(tmp_path / "data") as server:
            page = open_page(context, server.url)
            assert enter(page, "/auth/signup")[0] == 201
            assert names(context) == PLAIN
        with (
            run_server(tmp_path / "data", issuer=f"https://127.0.0.1:{port}") as server,
            run_server(tmp_path / "other") as other,
            tls(port, server.url, tmp_path) as url,
        ):
            page = open_page(context, url)
            assert ask(page, "/auth/session") == (401, None)
            login = enter(page, "/auth/login")
            assert (names(context), ask(page, "/auth/session")) == (PINNED, login)
            beside = open_page(context, other.url)
            signup = enter(beside, "/auth/signup")
            assert (names(context), ask(beside, "/auth/session")) == (PINNED | PLAIN, (200, signup[1]))
            again = enter(page, "/auth/login", "token-cookies")
            assert names(context) == {"__Host-kt_access", "__Host-kt_refresh", "__Host-kt_device"} | PLAIN
            assert ask(page, "/auth/session") == again
            assert ask(beside, "/auth/session") == (200, signup[1])


def test_a_prefix_separates_two_servers_on_one_host(browser: Browser, tmp_path: Path) -> None:
    with (
        run_server(tmp_path / "one") as one,
        run_server(tmp_path / "two", cookie_prefix="two_") as two,
        browser.new_context() as context,
    ):
        first, second = open_page(context, one.url), open_page(context, two.url)
        logins = enter(first, "/auth/signup"), enter(second, "/auth/signup")
        assert names(context) == PLAIN | {"two_session", "two_device"}
        assert (ask(first, "/auth/session")[1], ask(second, "/auth/session")[1]) == (logins[0][1], logins[1][1])

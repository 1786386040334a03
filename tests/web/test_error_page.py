"""The page of error codes, and the links of problem documents to it."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from web.browser import Browser, document, header


def test_the_page_needs_no_other_file(browser: Browser) -> None:
    reply = browser.get("/docs/errors")
    assert reply.status == 200
    assert header(reply, b"content-type") == "text/html; charset=utf-8"
    assert not re.search(rb"<script|<link|<img|src=|https?:", reply.body)


def test_the_csp_of_the_errors_page_allows_only_its_style(browser: Browser) -> None:
    reply = browser.get("/docs/errors")
    style = re.search(rb"<style>(.*)</style>", reply.body, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1]).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in str(header(reply, b"content-security-policy"))


@pytest.mark.parametrize("path", ["/auth/session", "/nowhere"])
@pytest.mark.parametrize("host", [b"evil.example", b"auth.example.com"])
def test_a_problem_links_to_the_configured_issuer(browser: Browser, path: str, host: bytes) -> None:
    reply = browser.send("GET", path, headers=[(b"host", host)])
    shown = document(reply)
    assert shown["type"] == shown["docs"] == f"{browser.site.issuer_config.issuer}/docs/errors#{shown['code']}"
    assert f'id="{shown["code"]}"'.encode() in browser.get("/docs/errors").body


def test_an_oauth_error_links_to_the_configured_issuer(browser: Browser) -> None:
    shown = document(browser.form("/auth/token", {"grant_type": "refresh_token", "refresh_token": "x"}))
    assert shown["docs"] == f"{browser.site.issuer_config.issuer}/docs/errors#token_malformed"

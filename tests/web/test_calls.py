"""Calls of a request: a credential is read, a session is loaded and a route is matched once."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.policy import BROWSER_STRICT
from keyturn.flows.drive import drive
from keyturn.web import credentials, routes
from keyturn.web.message import Header, Request
from web.browser import ES256, FORM, Browser, Make, bearer, document, text

READS = ("session_cache.get", "sessions.load")


def calls(browser: Browser, method: str, path: str, headers: list[Header], body: bytes = b"") -> Counter[str]:
    """Count the calls of ports by name, as the request's flow yields them."""
    counts: Counter[str] = Counter()

    def counted() -> Any:
        flow = routes.handle(Request(method, path, "", headers, body), browser.now, browser.site)
        try:
            call = next(flow)
            while True:
                counts[f"{call.port}.{call.method}"] += 1
                call = flow.send((yield call))
        except StopIteration as end:
            return end.value

    assert drive(counted(), browser.ports).status == 200
    return counts


def cookies(browser: Browser) -> list[Header]:
    return [(b"cookie", "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode())]


def reads(counts: Counter[str]) -> tuple[int, ...]:
    return tuple(counts[each] for each in READS)


def test_a_cached_session_is_read_once_for_its_principal_and_csrf_token(browser: Browser) -> None:
    browser.signup("cookie")
    assert browser.get("/auth/session").status == 200
    assert reads(calls(browser, "GET", "/auth/session", cookies(browser))) == (1, 0)


def test_an_uncached_session_is_loaded_once_for_its_principal_and_csrf_token(browser: Browser) -> None:
    browser.signup("cookie")
    assert reads(calls(browser, "GET", "/auth/session", cookies(browser))) == (1, 1)


def test_an_access_cookie_on_a_stale_feed_loads_the_session_once(browser: Browser) -> None:
    browser.signup("token-cookies")
    browser.ports.session_cache._freshness.invalidate()
    assert reads(calls(browser, "GET", "/auth/session", cookies(browser))) == (0, 1)


def test_a_csrf_check_uses_the_session_that_was_verified(make: Make) -> None:
    browser = make(replace(BROWSER_STRICT, token=ES256.token))
    csrf = text(browser.signup("cookie"), "csrf_token").encode()
    counts = calls(browser, "POST", "/auth/logout-all", [*cookies(browser), (b"x-csrf-token", csrf)])
    assert reads(counts) == (1, 1)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revocation_by_token_loads_the_session_once(browser: Browser, kind: str) -> None:
    token = text(browser.signup("tokens"), kind)
    counts = calls(browser, "POST", "/auth/revoke", [(b"content-type", FORM)], f"token={token}".encode())
    assert (reads(counts), counts["sessions.replace"]) == ((0, 1), 1)


def test_the_credential_of_a_request_is_extracted_once(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = document(browser.signup("both"))
    extracted: list[object] = []
    find_cookie = credentials.find_cookie
    monkeypatch.setattr(credentials, "find_cookie", lambda *given: extracted.append(given) or find_cookie(*given))
    assert browser.get("/auth/session").status == 200
    assert len(extracted) == 1
    assert browser.post("/auth/step-up", {"password": "wrong"}).status == 401
    assert len(extracted) == 2
    assert browser.other().send("GET", "/auth/session", headers=bearer(str(issued["access_token"]))).status == 200
    assert len(extracted) == 2

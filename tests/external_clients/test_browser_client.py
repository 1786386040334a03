"""The browser client in the tabs of a Chromium, against a server whose access tokens expire when a test says so."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from external_clients.browser_site import Site, page_server, running_site
from external_clients.browser_tabs import EMAIL, LOAD, RECEIVED, call, logged_in, order, tab
from keyturn.errors import TokenRevoked
from server_process.process import PASSWORD

TABS = 8

ROUND = """(tabs) => new Promise((resolve) => {
  const answers = [];
  const channel = new BroadcastChannel("rounds");
  channel.onmessage = ({ data }) => {
    if (data === "go" || answers.push(...data) < 2 * tabs) return;
    channel.close();
    resolve(answers);
  };
  channel.postMessage("go");
})"""
PATIENT = "AbortSignal.timeout = () => new AbortController().signal"
"""On a busy machine an answer may take seconds: the client would ask again, and the test counts."""


def rounds(site: Site, context: BrowserContext, page: Page, number: int) -> None:
    """Let the access tokens expire ``number`` times. Every request of every tab is answered, after one refresh."""
    tabs = [page, *(tab(context, site) for _ in range(TABS - 1))]
    sid = call(page, "session")["sid"]
    for count in range(1, number + 1):
        site.expire()
        assert page.evaluate(ROUND, TABS) == [RECEIVED] * (2 * TABS)
        assert site.refreshes == count
    assert {call(each, "session")["sid"] for each in tabs} == {sid}


ROUNDS = "tests/external_clients/test_browser_client.py::test_tabs_refresh_once_for_each_expiry[3]"


@pytest.mark.parametrize(
    "number", [3, pytest.param(1000, marks=[pytest.mark.long(stands_in=ROUNDS), pytest.mark.timeout(1800)])]
)
def test_tabs_refresh_once_for_each_expiry(
    browser: Browser, number: int, record_property: Callable[[str, object], None]
) -> None:
    with logged_in(browser, profile="nist-aal2") as (site, context, page):
        context.add_init_script(PATIENT)
        page.evaluate(PATIENT)
        started_at = time.monotonic()
        rounds(site, context, page, number)
        seconds = time.monotonic() - started_at
    record_property(
        "figure",
        f"browser client: {TABS} tabs, {number:,} expiries, {site.refreshes:,} refreshes, no logout, {seconds:.0f} s",
    )


@pytest.mark.parametrize("deliver", ["cookie", "token-cookies"])
def test_a_page_of_the_same_origin_does_everything_with_cookies(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver, profile="browser-strict") as (site, context, page):
        subject = call(page, "session")["subject"]
        assert order(page) == RECEIVED
        assert (call(page, "stepUp", "wrong")["code"], call(page, "stepUp", PASSWORD)["subject"]) == (
            "login_failed",
            subject,
        )
        site.expire()
        assert call(page, "changePassword", PASSWORD, "another gravel thistle moss")["subject"] == subject
        page.reload()
        page.evaluate(LOAD, [site.url, {"deliver": deliver}])
        site.expire()
        assert order(page) == RECEIVED
        # Another login in another tab: the CSRF token of this one is of the session that it replaced.
        call(tab(context, site, deliver=deliver), "signup", "eve@example.com", PASSWORD)
        assert order(page) == RECEIVED
        site.expire()
        assert 5 <= call(page, "logout")["within_seconds"] <= 10
        assert (call(page, "session"), call(page, "logout"), context.storage_state()["origins"]) == (None, None, [])
        assert order(page)[0] == 401
        refused = call(page, "login", EMAIL, "wrong")
        assert (refused["status"], refused["code"], refused["isLoggedOut"]) == (401, "login_failed", False)
        assert call(page, "login", EMAIL, "another gravel thistle moss")["subject"] == subject


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies", "cookie"])
def test_a_page_of_a_trusted_origin_does_everything(browser: Browser, deliver: str) -> None:
    with (
        page_server() as origin,
        running_site(profile="browser-strict", trusted_origins=origin) as site,
        browser.new_context() as context,
    ):
        context.add_init_script(PATIENT)
        page, orders = tab(context, site, origin, deliver=deliver), site.url + "/api/orders"
        account = call(page, "signup", EMAIL, PASSWORD)
        assert not {"access_token", "refresh_token"} & account.keys()
        for _ in range(2):
            site.expire()
            assert order(page, orders) == RECEIVED
        assert call(page, "session")["sid"] == account["sid"]
        site.expire()
        assert call(page, "stepUp", PASSWORD)["sid"] == account["sid"]
        assert site.refreshes == (0 if deliver == "cookie" else 3)
        other = site.issuer.login(EMAIL, PASSWORD, deliver="cookie").session_token
        assert (call(page, "logoutOthers")["within_seconds"], call(page, "session")["sid"]) == (5, account["sid"])
        with pytest.raises(TokenRevoked):
            site.issuer.verify(other)
        if deliver == "tokens":
            assert context.storage_state() == {"cookies": [], "origins": []}
        assert call(page, "logoutAll")["within_seconds"] == 5
        assert (call(page, "session"), order(page, orders)[0]) == (None, 401)


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_request_to_another_origin_carries_no_credential(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver) as (site, _, page):
        sent: dict[str, set[str]] = {}

        def answer(route: Route) -> None:
            sent[route.request.url] = {"authorization", "x-csrf-token"} & set(route.request.headers)
            route.fulfill(headers={"Access-Control-Allow-Origin": "*"})

        page.route("https://elsewhere.example/", answer)
        page.route(f"{site.url}/own", answer)
        for url in ("https://elsewhere.example/", f"{site.url}/own"):
            page.evaluate("(url) => auth.fetch(url, { method: 'POST' })", url)
        own = {"authorization"} if deliver == "tokens" else {"x-csrf-token"}
        assert sent == {"https://elsewhere.example/": set(), f"{site.url}/own": own}


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_server_that_is_down_logs_nobody_out(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver) as (site, _, page):
        site.expire()
        site.is_down = True
        for method in ("session", "logout"):
            refused = call(page, method)
            assert (refused["status"], refused["isLoggedOut"], refused["retryAfter"]) == (503, False, 7)
        site.is_down = False
        assert order(page) == RECEIVED


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_lost_answer_of_a_refresh_logs_nobody_out(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver, profile="browser-strict") as (site, _, page):
        site.expire()
        site.lost_answers = 2
        assert order(page) == RECEIVED
        assert site.lost_answers == 0
        site.expire()
        assert order(page) == RECEIVED


def test_a_tab_that_is_closed_during_a_refresh_logs_nobody_out(browser: Browser) -> None:
    with logged_in(browser) as (site, context, page):
        other = tab(context, site)
        site.expire()
        site.may_answer.clear()
        page.evaluate("() => { order(); }")
        while not site.refreshes:
            page.wait_for_timeout(10)
        page.close()
        other.wait_for_timeout(500)  # until the browser has let go of the tab, and of requests that end with it
        site.may_answer.set()
        other.wait_for_timeout(500)
        site.clock.now += 31  # the grace window has passed: the refresh token before this one ends the session
        assert order(other) == RECEIVED
        site.expire()
        assert order(other) == RECEIVED


def test_a_tab_that_slept_is_logged_in(browser: Browser) -> None:
    with logged_in(browser) as (site, context, page):
        context.add_init_script(PATIENT)
        page.evaluate(PATIENT)
        other = tab(context, site)
        session = context.new_cdp_session(other)
        session.send("Page.setWebLifecycleState", {"state": "frozen"})
        for _ in range(3):
            site.expire()
            assert order(page) == RECEIVED
        site.expire()
        session.send("Page.setWebLifecycleState", {"state": "active"})
        assert order(other) == RECEIVED
        assert site.refreshes == 4


@pytest.mark.parametrize("hours", [-7, 7])
@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_wrong_clock_of_the_browser_logs_nobody_out(browser: Browser, deliver: str, hours: int) -> None:
    with logged_in(browser, deliver) as (site, _, page):
        page.evaluate(PATIENT)
        page.clock.set_fixed_time(1_800_000_000 + hours * 3600)
        assert order(page) == RECEIVED
        site.expire()
        assert order(page) == RECEIVED
        assert site.refreshes == 1

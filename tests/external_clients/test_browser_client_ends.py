"""The end of a session, as the browser client reports it."""

import pytest
from playwright.sync_api import Browser

from external_clients.browser_tabs import EMAIL, RECEIVED, call, logged_in, order, tab
from server_process.process import PASSWORD


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_session_that_was_ended_elsewhere_is_reported(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver) as (site, _, page):
        site.issuer.revoke_subject(call(page, "session")["subject"])
        refused = order(page)
        assert (refused["code"], refused["isLoggedOut"]) == ("token_revoked", True)
        assert (call(page, "session"), call(page, "logoutAll")) == (None, None)


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies"])
def test_a_session_that_ended_before_a_refresh_is_reported(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver) as (site, _, page):
        site.issuer.revoke_subject(call(page, "session")["subject"])
        site.expire()
        refused = order(page)
        assert (refused["code"], refused["isLoggedOut"], call(page, "session")) == ("token_revoked", True, None)


@pytest.mark.parametrize("deliver", ["tokens", "token-cookies", "cookie"])
def test_a_session_that_timed_out_is_reported_each_time(browser: Browser, deliver: str) -> None:
    with logged_in(browser, deliver, profile="browser-strict") as (site, context, page):
        other = tab(context, site, deliver=deliver)
        site.clock.now += 31 * 60
        assert order(page) != RECEIVED
        for each in (page, other, tab(context, site, deliver=deliver)):
            assert [call(each, method) for method in ("session", "logout", "session", "logoutAll")] == [None] * 4
        assert "error" not in call(page, "login", EMAIL, PASSWORD)
        assert order(page) == RECEIVED


def test_a_refresh_cookie_that_is_gone_is_reported_as_a_logout(browser: Browser) -> None:
    with logged_in(browser) as (site, context, page):
        context.clear_cookies(name="kt_refresh")
        site.expire()
        assert (order(page)["isLoggedOut"], call(page, "session")) == (True, None)

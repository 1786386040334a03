"""Scopes and claims over HTTP, which only the application or the account grants."""

from dataclasses import replace

import pytest

from keyturn.core.grants import Grant, GrantRequest
from web.browser import EMAIL, PASSWORD, Browser, Make, document, text


def granted(request: GrantRequest) -> Grant:
    return Grant("orders:read orders:write", {"tenant": 7})


def fail(request: GrantRequest) -> Grant:
    raise LookupError


@pytest.fixture
def site(make: Make) -> Browser:
    return make(grants=granted)


def ask(browser: Browser, path: str, scope: object) -> dict[str, object]:
    body = {"email": EMAIL, "password": PASSWORD, "deliver": "tokens", "scope": scope}
    return document(browser.post(path, body))


def test_a_login_gets_what_the_application_grants_of_what_it_asks_for(site: Browser) -> None:
    assert ask(site, "/auth/signup", None)["scope"] == "orders:read orders:write"
    assert ask(site, "/auth/login", "orders:write admin")["scope"] == "orders:write"
    assert "scope" not in ask(site, "/auth/login", "admin")


def test_a_refresh_answers_with_the_scopes_of_now(site: Browser) -> None:
    issued = ask(site, "/auth/signup", "orders:read")
    form = {"grant_type": "refresh_token", "refresh_token": str(issued["refresh_token"])}
    assert document(site.form("/auth/token", form))["scope"] == "orders:read"


def test_without_grants_a_login_gets_the_scopes_of_its_account(browser: Browser) -> None:
    assert "scope" not in ask(browser, "/auth/signup", "orders:read")
    account = browser.ports.accounts.find(EMAIL)
    assert account
    assert browser.ports.accounts.replace(replace(account, scope="orders:read profile", version=account.version + 1))
    assert ask(browser, "/auth/login", None)["scope"] == "orders:read profile"
    assert ask(browser, "/auth/login", "profile admin")["scope"] == "profile"


@pytest.mark.parametrize("path", ["/auth/signup", "/auth/login"])
@pytest.mark.parametrize("scope", ["keyturn:admin", 'a"b', "x" * 1025])
def test_a_scope_that_cannot_be_granted_is_refused(site: Browser, path: str, scope: str) -> None:
    answer = ask(site, path, scope)
    assert (answer["status"], answer["code"]) == (400, "invalid_scope")


def test_a_scope_of_another_type_is_an_invalid_member(site: Browser) -> None:
    answer = ask(site, "/auth/login", ["orders:read"])
    assert (answer["code"], answer["hint"]) == ("invalid_member", "`scope` must be names separated by spaces.")


def test_an_application_that_fails_is_a_503_that_ends_nothing(make: Make) -> None:
    browser = make(grants=fail)
    reply = browser.signup("cookie")
    assert (reply.status, text(reply, "code"), browser.cookies) == (503, "grants_unavailable", {})
    # The account exists: its owner can log in once the application is back.
    assert text(browser.signup("cookie"), "code") == "account_exists"
    working = Browser(browser.site, replace(browser.ports, grants=make(grants=granted).ports.grants))
    issued = document(working.login("tokens"))
    form = {"grant_type": "refresh_token", "refresh_token": str(issued["refresh_token"])}
    refused = browser.form("/auth/token", form)
    assert (refused.status, text(refused, "error")) == (503, "temporarily_unavailable")
    assert working.form("/auth/token", form).status == 200

"""A login replaces the cookies of earlier logins, those of a former scheme or prefix included."""

from dataclasses import replace

import pytest

from keyturn.core.policy import CookiePolicy
from keyturn.core.sealed import Secrets
from keyturn.web.message import Reply
from web.browser import Browser, document, set_cookies

ROLES = {"cookie": {"session", "device"}, "token-cookies": {"access", "refresh", "device"}}
HTTP, HTTPS = CookiePolicy(secure=False), CookiePolicy()
MOVES = {
    "http to https": (HTTP, HTTPS),
    "https to http": (HTTPS, HTTP),
    "default to own prefix": (HTTPS, replace(HTTPS, prefix="shop_")),
    "http to https with own prefix": (HTTP, replace(HTTPS, prefix="shop_")),
    "http to https under one prefix": (replace(HTTP, prefix="shop_"), replace(HTTPS, prefix="shop_")),
}


def reconfigure(browser: Browser, policy: CookiePolicy, secret: bytes | None = None) -> None:
    """Change the cookies, and the secret if one is given, of the browser's site. The database stays."""
    config = browser.site.issuer_config
    profile = replace(config.profile, cookie=policy)
    secrets = config.secrets if secret is None else Secrets(secret)
    browser.site = replace(browser.site, issuer_config=replace(config, profile=profile, secrets=secrets))


def deleted(reply: Reply) -> set[str]:
    return {name for name, line in set_cookies(reply).items() if line.startswith("; Path=/; Max-Age=0")}


@pytest.mark.parametrize("deliver", ROLES)
@pytest.mark.parametrize(("before", "after"), MOVES.values(), ids=MOVES)
def test_a_login_deletes_the_cookies_of_the_former_configuration_and_ends_their_session(
    browser: Browser, before: CookiePolicy, after: CookiePolicy, deliver: str
) -> None:
    reconfigure(browser, before)
    former = document(browser.signup(deliver))
    reconfigure(browser, after)
    assert document(browser.get("/auth/session"))["code"] == "unauthenticated"
    reply = browser.login("cookie")
    assert deleted(reply) == set(map(before.name, ROLES[deliver]))
    assert browser.cookies.keys() == {after.name("session"), after.name("device")}
    assert document(browser.get("/auth/session"))["sid"] == document(reply)["sid"]
    assert [each["sid"] for each in document(browser.get("/auth/sessions"))["sessions"]] == [document(reply)["sid"]]  # type: ignore[attr-defined]
    assert former["sid"] != document(reply)["sid"]


@pytest.mark.parametrize(("before", "after"), MOVES.values(), ids=MOVES)
def test_a_deleted_cookie_is_secure_if_its_name_demands_it(
    browser: Browser, before: CookiePolicy, after: CookiePolicy
) -> None:
    reconfigure(browser, before)
    browser.signup("cookie")
    reconfigure(browser, after)
    line = set_cookies(browser.login("cookie"))[before.name("session")]
    assert ("Secure" in line.split("; ")) is (before.secure or after.secure)


@pytest.mark.parametrize("deliver", ROLES)
def test_a_login_leaves_the_cookies_of_another_issuer_on_the_host(browser: Browser, deliver: str) -> None:
    browser.signup()
    browser.cookies.clear()
    reconfigure(browser, HTTP, b"another secret" * 4)
    browser.signup(deliver, "bob@example.com")
    others = dict(browser.cookies)
    reconfigure(browser, HTTPS, b"s" * 32)
    assert deleted(browser.login("cookie")) == set()
    assert others.items() <= browser.cookies.items()


@pytest.mark.parametrize("value", ["x", "kt_session_x", "a b"])
def test_a_login_leaves_a_cookie_that_no_issuer_sealed(browser: Browser, value: str) -> None:
    browser.signup("tokens")
    browser.cookies = {"kt_session": value, "kt_refresh": value, "kt_access": value}
    assert deleted(browser.login("cookie")) == set()


def test_a_login_with_tokens_deletes_no_cookie(browser: Browser) -> None:
    reconfigure(browser, HTTP)
    browser.signup("cookie")
    reconfigure(browser, HTTPS)
    assert set_cookies(browser.login("tokens")) == {}


@pytest.mark.parametrize("value", ["a b", "x; __Host-kt_session=y", ""])
def test_a_login_of_another_kind_deletes_an_unreadable_cookie(browser: Browser, value: str) -> None:
    """A session cookie takes precedence: beside new access and refresh cookies it would be refused at every request."""
    browser.signup("tokens")
    browser.cookies = {"__Host-kt_session": value}
    reply = browser.login("token-cookies")
    assert deleted(reply) == {"__Host-kt_session"}
    assert document(browser.get("/auth/session"))["sid"] == document(reply)["sid"]

"""The password within a session."""

import pytest

from web.browser import EMAIL, PASSWORD, Browser, document, set_cookies, text

SESSION = "__Host-kt_session"
NEW = "quite another gravel thistle"
CHANGE = {"current_password": PASSWORD, "new_password": NEW}


@pytest.mark.conforms("ASVS 6.2.2", "ASVS 7.4.3")
def test_a_change_renews_this_session_and_ends_the_others(browser: Browser) -> None:
    browser.signup("cookie")
    before = browser.cookies[SESSION]
    phone = browser.other()
    tokens = document(phone.login("tokens"))
    reply = browser.post("/auth/password", CHANGE)
    assert reply.status == 200
    assert browser.cookies[SESSION] != before
    assert browser.get("/auth/session").status == 200
    assert phone.get("/auth/session", str(tokens["access_token"])).status == 401
    assert browser.other().login().status == 401
    assert browser.other().post("/auth/login", {"email": EMAIL, "password": NEW}).status == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (CHANGE | {"current_password": "wrong"}, 401, "login_failed"),
        (CHANGE | {"new_password": "short"}, 422, "password_rejected"),
        ({"current_password": PASSWORD}, 400, "invalid_member"),
    ],
)
@pytest.mark.conforms("ASVS 6.2.3")
def test_a_refused_password_change_has_no_effect(
    browser: Browser, body: dict[str, str], status: int, code: str
) -> None:
    browser.signup("cookie")
    reply = browser.post("/auth/password", body)
    assert (reply.status, document(reply)["code"], set_cookies(reply)) == (status, code, {})
    assert browser.get("/auth/session").status == 200


@pytest.mark.conforms("NIST SP 800-63B-4 5.2")
def test_a_step_up_makes_the_authentication_fresh(browser: Browser) -> None:
    browser.signup("cookie")
    before = browser.cookies[SESSION]
    browser.now += 3600
    assert browser.post("/auth/step-up", {"password": PASSWORD}).status == 200
    assert document(browser.get("/auth/session"))["auth_time"] == browser.now
    browser.cookies[SESSION] = before
    assert document(browser.get("/auth/session"))["code"] == "token_revoked"


def test_a_bearer_is_answered_with_tokens(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    reply = browser.post("/auth/step-up", {"password": PASSWORD}, token)
    assert "access_token" in document(reply)
    assert set_cookies(reply) == {}


def test_token_cookies_are_answered_with_token_cookies(browser: Browser) -> None:
    browser.signup("token-cookies")
    reply = browser.post("/auth/step-up", {"password": PASSWORD})
    assert set_cookies(reply).keys() == {"__Host-kt_access", "__Host-kt_refresh"}


def test_a_cookie_of_the_same_session_beside_the_bearer_is_renewed_too(browser: Browser) -> None:
    token = text(browser.signup("both"), "access_token")
    reply = browser.post("/auth/step-up", {"password": PASSWORD}, token)
    assert "access_token" in document(reply)
    assert set_cookies(reply).keys() == {SESSION}
    assert browser.get("/auth/session").status == 200


def test_a_cookie_beside_the_bearer_token_is_not_changed(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    browser.login("cookie")
    for cookie in (browser.cookies[SESSION], "forged"):
        browser.cookies[SESSION] = cookie
        reply = browser.post("/auth/step-up", {"password": PASSWORD}, token)
        assert (reply.status, set_cookies(reply)) == (200, {})


@pytest.mark.parametrize(("path", "body"), [("/auth/password", CHANGE), ("/auth/step-up", {"password": PASSWORD})])
def test_cross_site_and_anonymous_requests_are_refused_first(browser: Browser, path: str, body: dict[str, str]) -> None:
    assert browser.post(path, body).status == 401
    browser.signup("cookie")
    assert browser.post(path, body, sec_fetch_site="same-site").status == 403

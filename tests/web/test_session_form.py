"""The HTML form that ends one session of the list."""

from keyturn.core.policy import BROWSER_STRICT
from web.browser import EMAIL, PASSWORD, Browser, Make, document, header, set_cookies, text
from web.form_browser import page, submit
from web.test_forms import SESSION, came_back


def test_a_form_ends_one_session_of_the_list(browser: Browser) -> None:
    browser.signup("cookie")
    other = browser.other()
    ended = text(other.login("cookie"), "sid")
    reply = submit(browser, f"/auth/sessions/{ended}", {"next": "/devices", "back": "/account"})
    assert (reply.status, header(reply, b"location"), set_cookies(reply)) == (303, "/devices", {})
    assert document(other.get("/auth/session"))["code"] == "token_revoked"
    assert browser.get("/auth/session").status == 200


def test_a_form_that_ends_its_own_session_deletes_the_cookie(browser: Browser) -> None:
    own = text(browser.signup("cookie"), "sid")
    assert SESSION in set_cookies(submit(browser, f"/auth/sessions/{own}"))
    assert SESSION not in browser.cookies


def test_a_form_cannot_end_a_session_of_another_account(browser: Browser) -> None:
    browser.signup("cookie")
    other = browser.other()
    login = {"email": f"bob.{EMAIL}", "password": PASSWORD, "deliver": "cookie"}
    foreign = text(other.post("/auth/signup", login), "sid")
    returned = came_back(submit(browser, f"/auth/sessions/{foreign}", {"back": "/account"}))
    assert returned == {"path": "/account", "error": "not_found"}
    assert other.get("/auth/session").status == 200


def test_a_form_that_ends_a_session_needs_the_token_of_a_strict_profile(make: Make) -> None:
    strict = make(profile=BROWSER_STRICT)
    own = text(strict.signup("cookie"), "sid")
    assert came_back(submit(strict, f"/auth/sessions/{own}", {"back": "/"}))["error"] == "csrf_token_required"
    assert submit(strict, f"/auth/sessions/{own}", {"csrf_token": page(strict).token.reveal()}).status == 303
    assert document(strict.get("/auth/session"))["code"] == "unauthenticated"

"""What a page with forms gets: the hidden token, and the cookies that belong to it."""

from keyturn.core.policy import CookiePolicy, Profile, SessionPolicy, TokenPolicy
from keyturn.flows import drive, login
from keyturn.flows.create_session import LoginAttempt
from keyturn.web.replies import login_cookies, logout_cookies
from web.browser import EMAIL, PASSWORD, Browser, Make, text
from web.form_browser import page, submit

FORM_COOKIE = "__Host-kt_form"
PLAIN = Profile("plain", SessionPolicy(3600, 7200), TokenPolicy(algorithm="ES256"), CookiePolicy(secure=False))


def test_a_page_before_a_login_gets_a_cookie_of_its_own(browser: Browser) -> None:
    token, (line,) = page(browser)
    name, _, rest = line.partition("=")
    value, _, attributes = rest.partition("; ")
    assert (name, attributes) == (FORM_COOKIE, "Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax")
    assert token.reveal().startswith(f"kt_form_{value}.")
    assert "kt_form" not in repr(token)


def test_a_page_over_http_has_no_prefix_and_is_not_secure(make: Make) -> None:
    _, (line,) = page(make(PLAIN))
    assert line.startswith("kt_form=")
    assert line.endswith("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax")


def test_a_second_page_keeps_the_cookie_of_the_first(browser: Browser) -> None:
    first = page(browser)
    browser.cookies[FORM_COOKIE] = first.cookies[0].partition("=")[2].partition(";")[0]
    assert page(browser).cookies == first.cookies
    for wrong in ("x", "", browser.cookies[FORM_COOKIE] + "x"):
        browser.cookies[FORM_COOKIE] = wrong
        assert page(browser).cookies != first.cookies


def test_a_page_within_a_login_gets_the_token_of_its_session(browser: Browser) -> None:
    csrf = text(browser.signup("cookie"), "csrf_token")
    assert page(browser) == (csrf, ())
    # A form is sent without the bearer token that the page may have been asked for with.
    assert page(browser, (b"authorization", b"Bearer x")) == (csrf, ())
    submit(browser, "/auth/logout")
    assert page(browser).token.startswith("kt_form_")


def test_the_cookies_of_a_login_are_values_for_ones_own_response(browser: Browser) -> None:
    browser.signup("cookie")
    config = browser.site.issuer_config
    for deliver, names in (
        ("cookie", ["session", "device"]),
        ("both", ["session", "device"]),
        ("token-cookies", ["access", "refresh", "device"]),
        ("tokens", []),
    ):
        issued = drive(login(LoginAttempt(EMAIL, PASSWORD, deliver=deliver), browser.now, config), browser.ports)
        lines = login_cookies(issued, browser.now, config)
        assert [each.partition("=")[0] for each in lines] == [f"__Host-kt_{name}" for name in names]
        assert all("; Secure; HttpOnly; SameSite=Lax" in each for each in lines)
    assert [each.partition(";")[0] for each in logout_cookies(config)] == [
        "__Host-kt_session=",
        "__Host-kt_access=",
        "__Host-kt_refresh=",
    ]

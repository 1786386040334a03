"""HTML forms at the endpoints: where they lead, and the cookies that they set."""

from dataclasses import replace
from urllib.parse import parse_qs, urlencode

import pytest

from keyturn.errors import StoreUnavailable
from keyturn.web.message import Reply
from web.browser import EMAIL, ES256, FORM, PASSWORD, Browser, Make, document, header, set_cookies
from web.form_browser import submit
from web.test_paths import FOREIGN

SESSION = "__Host-kt_session"
LOGIN = {"email": EMAIL, "password": PASSWORD}


def came_back(reply: Reply) -> dict[str, str]:
    """Return the query of the page that the browser returns to."""
    assert (reply.status, set_cookies(reply)) == (303, {})
    path, _, query = (header(reply, b"location") or "").partition("?")
    return {"path": path} | {name: value for name, (value,) in parse_qs(query).items()}


@pytest.mark.parametrize(("path", "fields"), [("/auth/signup", LOGIN), ("/auth/login", LOGIN)])
def test_a_login_goes_to_the_next_page_with_the_cookies(browser: Browser, path: str, fields: dict[str, str]) -> None:
    if path == "/auth/login":
        browser.signup("cookie")
    reply = submit(browser, path, fields | {"next": "/orders?page=2", "unknown": "x"})
    assert (reply.status, header(reply, b"location"), reply.body) == (303, "/orders?page=2", b"")
    assert set_cookies(reply).keys() == {SESSION, "__Host-kt_device"}
    assert header(reply, b"cache-control") == "no-store"
    assert browser.get("/auth/session").status == 200


def test_a_login_ends_the_login_that_it_replaces(browser: Browser) -> None:
    browser.signup("cookie")
    before = browser.cookies[SESSION]
    submit(browser, "/auth/login", LOGIN)
    assert browser.cookies[SESSION] != before
    browser.cookies[SESSION] = before
    assert document(browser.get("/auth/session"))["code"] == "token_revoked"


def test_a_login_above_the_limit_of_sessions_goes_back_to_its_page(make: Make) -> None:
    session = replace(ES256.session, session_limit=1, session_limit_action="refuse")
    browser = make(replace(ES256, session=session))
    browser.signup("cookie")
    refused = submit(browser.other(), "/auth/login", LOGIN | {"back": "/login"})
    assert came_back(refused)["error"] == "too_many_sessions"
    assert submit(browser, "/auth/login", LOGIN).status == 303


@pytest.mark.parametrize("wanted", FOREIGN)
@pytest.mark.conforms("ASVS 3.7.2")
def test_a_next_page_elsewhere_is_replaced(browser: Browser, wanted: str) -> None:
    browser.signup("cookie")
    if wanted == "/\ud800":
        body = urlencode(LOGIN).encode() + b"&next=/%ed%a0%80"
        sent = [(b"content-type", FORM), (b"sec-fetch-site", b"same-origin")]
        assert browser.send("POST", "/auth/login", headers=sent, body=body).status == 400
        return
    reply = submit(browser, "/auth/login", LOGIN | {"next": wanted})
    assert (reply.status, header(reply, b"location")) == (303, "/")
    refused = submit(browser, "/auth/login", LOGIN | {"password": "wrong", "next": wanted, "back": "/login"})
    assert came_back(refused).get("next", "/") == "/"


@pytest.mark.parametrize("back", [each for each in FOREIGN if "\ud800" not in each])
def test_a_refusal_without_a_page_to_return_to_is_a_problem_document(browser: Browser, back: str) -> None:
    browser.signup("cookie")
    reply = submit(browser, "/auth/login", LOGIN | {"password": "wrong", "back": back})
    assert (reply.status, document(reply)["code"], set_cookies(reply)) == (401, "login_failed", {})


def test_a_refusal_returns_to_the_page_of_the_form(browser: Browser) -> None:
    reply = submit(browser, "/auth/login", LOGIN | {"back": "/login?lang=de&error=old", "next": "/orders?page=2"})
    assert came_back(reply) == {"path": "/login", "lang": "de", "error": "login_failed", "next": "/orders?page=2"}
    assert reply.refusal is not None
    assert reply.refusal.code == "login_failed"
    assert came_back(submit(browser, "/auth/signup", {"email": EMAIL, "back": "/join"})) == {
        "path": "/join",
        "error": "invalid_member",
    }


def test_a_refusal_for_a_time_says_how_long(browser: Browser) -> None:
    wrong = LOGIN | {"password": "wrong"}
    while submit(browser, "/auth/login", wrong).status == 401:
        pass
    plain = submit(browser, "/auth/login", wrong)
    reply = submit(browser, "/auth/login", wrong | {"back": "/login"})
    facts = came_back(reply)
    assert (plain.status, facts["error"]) == (429, "throttled")
    assert (facts["retry_after"], header(reply, b"retry-after")) == (header(plain, b"retry-after"), None)


def test_an_outage_changes_nothing_and_says_how_long(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.signup("cookie")

    def fail(*_: object) -> None:
        raise StoreUnavailable(retry_after_seconds=7)

    monkeypatch.setattr(type(browser.ports.accounts), "find", fail)
    reply = submit(browser, "/auth/login", LOGIN | {"back": "/login"})
    assert came_back(reply) == {"path": "/login", "error": "store_unavailable", "retry_after": "7"}
    assert browser.get("/auth/session").status == 200


@pytest.mark.parametrize(
    ("credentials", "deliver", "cookies"),
    [
        ("session", None, {SESSION}),
        ("hybrid", None, {SESSION}),
        ("hybrid", "cookie", {SESSION}),
        ("hybrid", "token-cookies", {"__Host-kt_access", "__Host-kt_refresh"}),
        ("jwt", None, {"__Host-kt_access", "__Host-kt_refresh"}),
    ],
)
def test_a_form_gets_cookies_in_every_mode(
    make: Make, credentials: str, deliver: str | None, cookies: set[str]
) -> None:
    browser = make(credentials=credentials)
    fields = LOGIN | ({"deliver": deliver} if deliver else {})
    assert set_cookies(submit(browser, "/auth/signup", fields)).keys() == cookies | {"__Host-kt_device"}
    step_up = submit(browser, "/auth/step-up", {"password": PASSWORD})
    assert (step_up.status, set_cookies(step_up).keys()) == (303, cookies)
    assert submit(browser, "/auth/logout").status == 303
    assert browser.get("/auth/session").status == 401


@pytest.mark.parametrize(
    ("credentials", "deliver", "code"),
    [
        ("hybrid", "tokens", "invalid_member"),
        ("hybrid", "both", "invalid_member"),
        ("jwt", "tokens", "invalid_member"),
        ("jwt", "cookie", "credentials_not_offered"),
        ("session", "token-cookies", "credentials_not_offered"),
    ],
)
def test_a_form_gets_no_tokens_in_a_body(make: Make, credentials: str, deliver: str, code: str) -> None:
    browser = make(credentials=credentials)
    reply = submit(browser, "/auth/signup", LOGIN | {"deliver": deliver, "back": "/join"})
    assert came_back(reply)["error"] == code


def test_a_logout_of_an_ended_session_goes_to_the_next_page(browser: Browser) -> None:
    browser.signup("cookie")
    cookies = dict(browser.cookies)
    reply = submit(browser, "/auth/logout", {"next": "/bye"})
    assert (header(reply, b"location"), SESSION in browser.cookies) == ("/bye", False)
    browser.cookies = cookies
    for _ in range(2):
        reply = submit(browser, "/auth/logout", {"next": "/bye"})
        assert (reply.status, header(reply, b"location"), set_cookies(reply)) == (303, "/bye", {})
        browser.cookies = {}
    assert browser.post("/auth/logout").status == 401
    # Nothing was ended everywhere: the user must not believe it.
    for path in ("/auth/logout-all", "/auth/logout-others"):
        assert came_back(submit(browser, path, {"back": "/account"}))["error"] == "unauthenticated"


def test_logout_others_by_form_goes_to_the_next_page_and_keeps_the_cookies(browser: Browser) -> None:
    browser.signup("cookie")
    phone = browser.other()
    phone.login("cookie")
    reply = submit(browser, "/auth/logout-others", {"next": "/account"})
    assert (reply.status, header(reply, b"location"), set_cookies(reply)) == (303, "/account", {})
    assert (browser.get("/auth/session").status, phone.get("/auth/session").status) == (200, 401)


def test_an_unknown_account_and_a_wrong_password_look_alike(browser: Browser) -> None:
    browser.signup("cookie")
    wrong = submit(browser, "/auth/login", LOGIN | {"password": "wrong", "back": "/login"})
    unknown = submit(browser, "/auth/login", LOGIN | {"email": "eve@example.com", "back": "/login"})
    assert (wrong.status, wrong.headers, wrong.body) == (unknown.status, unknown.headers, unknown.body)


def test_forms_and_json_share_the_limit_of_attempts(browser: Browser) -> None:
    browser.signup("cookie")
    guesser, wrong = browser.other(), LOGIN | {"password": "wrong"}
    while submit(guesser, "/auth/login", wrong).status == 401:
        pass
    assert guesser.post("/auth/login", wrong).status == 429


def test_a_session_that_was_planted_is_ended_by_the_login(browser: Browser) -> None:
    """Session fixation: the attacker's own session in the victim's browser does not become the victim's."""
    attacker = browser.other()
    attacker.signup("cookie", "eve@example.com")
    planted = attacker.cookies[SESSION]
    browser.signup("cookie")
    browser.cookies = {SESSION: planted}
    submit(browser, "/auth/login", LOGIN)
    assert browser.cookies[SESSION] != planted
    assert document(attacker.get("/auth/session"))["code"] == "token_revoked"

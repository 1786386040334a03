"""``examples/session_app`` in each framework, run by the commands of its README and used through its forms."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import httpx
import pytest

from examples.html import Page, open_browser, open_page, send
from examples.running import App, commands_of, running

PASSWORD = "a bicycle made of rain"
OLD_FORM = "This form is out of date. Nothing was changed."
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
COMMANDS = dict(zip(("fastapi", "flask"), commands_of("session_app"), strict=True))
NUMBERS = count()


@pytest.fixture(scope="module", params=COMMANDS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    assert f"{request.param}_app" in COMMANDS[request.param]
    with running(COMMANDS[request.param], tmp_path_factory.mktemp("session_app") / "data") as started:
        yield started


@pytest.fixture
def email() -> str:
    return f"ada{next(NUMBERS)}@example.com"


@pytest.fixture
def browser(app: App) -> Iterator[httpx.Client]:
    with open_browser(app.url, "first browser") as client:
        yield client


@pytest.fixture
def other(app: App) -> Iterator[httpx.Client]:
    with open_browser(app.url, "other browser") as client:
        yield client


def sign_up(browser: httpx.Client, email: str) -> Page:
    return send(browser, open_page(browser).form("Sign up"), email=email, password=PASSWORD)


def log_in(browser: httpx.Client, email: str, password: str = PASSWORD) -> Page:
    return send(browser, open_page(browser).form("Log in"), email=email, password=password)


def is_logged_in(browser: httpx.Client) -> bool:
    return browser.get("/").status_code == 200


def is_login_page(page: Page) -> bool:
    return (page.response.status_code, page.response.url.path) == (200, "/login")


def test_the_account_page_requires_a_login(browser: httpx.Client, email: str) -> None:
    answer = browser.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")
    stranger = open_page(browser)
    assert is_login_page(stranger)
    assert stranger.alert == ""
    assert "Devices" not in stranger.text
    account = sign_up(browser, email)
    assert account.response.status_code == 200
    assert str(account.response.url) == f"{browser.base_url}/"
    assert {"first browser", "this device"} <= {each.strip() for each in account.text.splitlines()}


def test_a_program_without_a_login_gets_a_problem_document(app: App) -> None:
    answer = httpx.get(app.url)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_login_leads_to_the_page_that_was_asked_for(browser: httpx.Client, email: str) -> None:
    signed_up = send(browser, open_page(browser, "/?tab=2").form("Sign up"), email=email, password=PASSWORD)
    assert str(signed_up.response.url) == f"{browser.base_url}/?tab=2"
    send(browser, signed_up.form("Log out"))
    entered = open_page(browser, "/login?next=//evil.example").form("Log in")
    assert str(send(browser, entered, email=email, password=PASSWORD).response.url) == f"{browser.base_url}/"


def test_a_login_by_form_follows_a_logout_by_form(browser: httpx.Client, email: str) -> None:
    left = send(browser, sign_up(browser, email).form("Log out"))
    assert is_login_page(left)
    assert "kt_session" not in browser.cookies
    assert log_in(browser, email).response.status_code == 200
    assert is_logged_in(browser)


def test_a_wrong_password_shows_a_message(browser: httpx.Client, other: httpx.Client, email: str) -> None:
    sign_up(other, email)
    page = log_in(browser, email, "a bicycle made of sand")
    assert is_login_page(page)
    assert page.alert == "The e-mail address or the password is wrong."
    assert log_in(browser, "nobody@example.com").alert == page.alert
    assert not is_logged_in(browser)
    assert send(browser, page.form("Log in"), email=email, password=PASSWORD).response.url.path == "/"


def test_a_refused_sign_up_shows_the_reason(browser: httpx.Client, other: httpx.Client, email: str) -> None:
    sign_up(other, email)
    assert sign_up(browser, email).alert.startswith("An account with this e-mail address exists")
    weak = send(browser, open_page(browser).form("Sign up"), email="new@example.com", password="passwordpassword")
    assert is_login_page(weak)
    assert "Choose another" in weak.alert
    assert ("details", {"open": ""}) in weak.elements
    assert send(browser, weak.form("Sign up"), email="nobody", password=PASSWORD).alert


def test_a_message_shows_no_text_of_its_link(browser: httpx.Client) -> None:
    link = "/login?error=call+555-0100&retry_after=555-0100"
    assert open_page(browser, link).alert == "That did not work. Nothing was changed."
    assert open_page(browser, "/login?error=throttled&retry_after=9").alert.endswith("Try again in 9 seconds.")


def test_a_refused_form_within_a_login_leads_back_to_the_account(browser: httpx.Client, email: str) -> None:
    form = sign_up(browser, email).form("Log out everywhere")
    page = send(browser, replace(form, fields=form.fields | {"csrf_token": "kt_csrf_old"}))
    assert page.alert == OLD_FORM
    assert page.forms == []
    assert ("a", {"href": "/"}) in page.elements


def test_logging_out_everywhere_after_the_login_has_ended_says_that_nothing_was_changed(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    account = sign_up(browser, email)
    log_in(other, email)
    send(other, open_page(other).form("End"))
    page = send(browser, account.form("Log out everywhere"))
    assert is_login_page(page)
    assert page.alert == "Your login has ended. Nothing was changed."
    assert is_logged_in(other)


def test_the_password_field_has_a_minlength(browser: httpx.Client) -> None:
    fields = [each for tag, each in open_page(browser).elements if tag == "input"]
    assert [each["minlength"] for each in fields if each.get("autocomplete") == "new-password"] == ["15"]


def test_a_form_without_the_csrf_token_of_its_session_is_refused(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    account = sign_up(browser, email)
    foreign = log_in(other, email).form("Log out").fields
    forms = [each for each in open_page(browser).forms if "csrf_token" in each.fields]
    assert sorted(each.button for each in forms) == ["End", "Log out", "Log out everywhere"]
    for form in forms:
        for fields in ({"other": ""}, {"csrf_token": ""}, {"csrf_token": "kt_csrf_ü"}, foreign):
            back = {"back": "/login"}
            page = Page(browser.post(form.action, data=fields | back, follow_redirects=True))
            assert page.alert == OLD_FORM
    assert is_logged_in(browser)
    assert is_logged_in(other)
    assert is_login_page(send(browser, account.form("Log out")))


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["origin", "null", "fetch metadata"],
)
@pytest.mark.parametrize("button", ["Log in", "Sign up", "Log out everywhere"])
def test_a_form_on_another_site_is_refused(
    browser: httpx.Client, other: httpx.Client, email: str, button: str, headers: dict[str, str]
) -> None:
    # Login CSRF: the victim would go on in the attacker's account.
    sign_up(other, email)
    form = open_page(other if button == "Log out everywhere" else browser).form(button)
    typed = {"email": email, "password": PASSWORD} if "email" in form.fields else {}
    page = send(other if button == "Log out everywhere" else browser, form, headers, **typed)
    assert page.response.status_code == 403
    assert page.response.json()["code"] == "cross_origin"
    assert "set-cookie" not in page.response.headers
    assert is_logged_in(other)


def test_logging_out_everywhere_ends_the_session_of_another_browser(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    sign_up(browser, email)
    log_in(other, email)
    assert is_logged_in(other)
    left = send(browser, open_page(browser).form("Log out everywhere"))
    assert is_login_page(left)
    assert not is_logged_in(browser)
    assert not is_logged_in(other)


def test_the_device_list_ends_the_session_of_one_browser(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    sign_up(browser, email)
    log_in(other, email)
    listed = open_page(browser)
    assert {"first browser", "other browser"} <= {each.strip() for each in listed.text.splitlines()}
    assert send(browser, listed.form("End")).response.url.path == "/"
    assert not is_logged_in(other)
    assert is_logged_in(browser)
    assert send(browser, listed.form("End")).response.url.path == "/"


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 403),
        (b"email=ada@example.com&password=x", "application/x-www-form-urlencoded", 403),
        (b"email=a&email=b&password=c", "application/x-www-form-urlencoded", 400),
        (b"email=%FF&password=%ZZ", "application/x-www-form-urlencoded", 400),
        (b"email=\xff", "application/x-www-form-urlencoded", 400),
        (b'{"email": "ada@example.com"}', "application/json", 400),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"email=" + b"a" * 17_000, "application/x-www-form-urlencoded", 413),
    ],
)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
def test_a_bad_form_is_refused_without_a_cookie(
    browser: httpx.Client, path: str, content: bytes, media_type: str, status: int
) -> None:
    answer = browser.post(path, content=content, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert answer.json()["hint"]
    assert "set-cookie" not in answer.headers


def test_a_form_to_an_unknown_path_is_not_found(browser: httpx.Client) -> None:
    for path in ("/auth/none", "/auth/sessions/none", "/auth/"):
        assert browser.post(path, data={"a": "b"}).status_code == 404


def test_text_of_a_client_is_escaped(app: App, browser: httpx.Client, email: str) -> None:
    markup = '"><script>alert(1)</script>'
    page = Page(browser.get("/login", params={"next": f"/{markup}", "error": markup, "signup": markup}))
    assert page.form("Log in").fields["next"] == f"/{markup}"
    with open_browser(app.url, markup) as device:
        account = sign_up(device, email)
    assert markup in account.text
    assert "script" not in {tag for tag, _ in (*page.elements, *account.elements)}


def test_a_page_is_neither_stored_nor_framed(browser: httpx.Client, email: str) -> None:
    for page in (open_page(browser), sign_up(browser, email)):
        assert page.response.headers["cache-control"] == "no-store"
        assert page.response.headers["content-security-policy"] == POLICY


def test_a_page_needs_its_own_style_sheet_and_no_other_resource(browser: httpx.Client, email: str) -> None:
    for page in (open_page(browser), sign_up(browser, email)):
        assert [each for _, each in page.elements if {"src", "style"} & set(each)] == []
        assert [each["href"] for tag, each in page.elements if tag == "link"] == ["/static/style.css"]
        assert "script" not in {tag for tag, _ in page.elements}
    sheet = browser.get("/static/style.css")
    assert sheet.status_code == 200
    assert "url(" not in sheet.text
    assert "color-scheme: light dark" in sheet.text


def cookies_of_signup(browser: httpx.Client, email: str) -> list[str]:
    form = Page(browser.get("/login")).form("Sign up")
    answer = browser.post(form.action, data=form.fields | {"email": email, "password": PASSWORD})
    assert answer.status_code == 303
    return answer.headers.get_list("set-cookie")


def test_cookies_are_plain_on_localhost(browser: httpx.Client, email: str) -> None:
    cookies = cookies_of_signup(browser, email)
    assert [each.partition("=")[0] for each in cookies] == ["kt_session", "kt_device"]
    assert all("HttpOnly" in each and "SameSite=Strict" in each and "Secure" not in each for each in cookies)


@pytest.mark.parametrize("framework", COMMANDS)
def test_cookies_are_bound_to_the_host_over_https(tmp_path: Path, framework: str, email: str) -> None:
    https = {"KEYTURN_ISSUER": "https://app.example"}
    with running(COMMANDS[framework], tmp_path / "data", **https) as app, open_browser(app.url, "browser") as browser:
        page = browser.get("/login")
        # The browser of this test talks http, and would keep no Secure cookie.
        cookie = page.headers["set-cookie"].partition(";")[0]
        form = Page(page).form("Sign up")
        fields = form.fields | {"email": email, "password": PASSWORD}
        answer = browser.post(form.action, data=fields, headers={"Cookie": cookie})
    cookies = answer.headers.get_list("set-cookie")
    assert [each.partition("=")[0] for each in cookies] == ["__Host-kt_session", "__Host-kt_device"]
    assert all("HttpOnly" in each and "Secure" in each for each in cookies)

"""``examples/session_app``, run by the command of its README and used through its forms."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from examples.html import Page, open_page, send
from examples.running import EXAMPLES, App, commands_of, running

PASSWORD = "a bicycle made of rain"
OLD_FORM = "This form is out of date, or another website sent it. Nothing was changed."
NUMBERS = count()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    [command] = commands_of("session_app")
    with running(command, tmp_path_factory.mktemp("session_app") / "data") as started:
        yield started


@pytest.fixture
def email() -> str:
    return f"ada{next(NUMBERS)}@example.com"


@pytest.fixture
def browser(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, headers={"User-Agent": "first browser"}) as client:
        yield client


@pytest.fixture
def other(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, headers={"User-Agent": "other browser"}) as client:
        yield client


def sign_up(browser: httpx.Client, email: str) -> Page:
    return send(browser, open_page(browser).form("Sign up"), email=email, password=PASSWORD)


def log_in(browser: httpx.Client, email: str, password: str = PASSWORD) -> Page:
    return send(browser, open_page(browser).form("Log in"), email=email, password=password)


def is_logged_in(browser: httpx.Client) -> bool:
    return open_page(browser).response.status_code == 200


def test_the_account_page_requires_a_login(browser: httpx.Client, email: str) -> None:
    stranger = open_page(browser)
    assert stranger.response.status_code == 401
    assert stranger.alert == ""
    assert "Devices" not in stranger.text
    account = sign_up(browser, email)
    assert account.response.status_code == 200
    assert str(account.response.url) == f"{browser.base_url}/"
    assert {"first browser", "this device"} <= {each.strip() for each in account.text.splitlines()}


def test_a_login_by_form_follows_a_logout_by_form(browser: httpx.Client, email: str) -> None:
    left = send(browser, sign_up(browser, email).form("Log out"))
    assert left.response.status_code == 401
    assert "kt_session" not in browser.cookies
    assert log_in(browser, email).response.status_code == 200


def test_a_wrong_password_shows_a_message(browser: httpx.Client, other: httpx.Client, email: str) -> None:
    sign_up(other, email)
    page = log_in(browser, email, "a bicycle made of sand")
    assert page.response.status_code == 401
    assert page.alert == "The e-mail address or the password is wrong."
    assert page.form("Log in").fields == {"email": email, "password": ""}
    assert log_in(browser, "nobody@example.com").alert == page.alert
    assert not is_logged_in(browser)


def test_a_refused_sign_up_shows_the_reason(browser: httpx.Client, other: httpx.Client, email: str) -> None:
    sign_up(other, email)
    assert sign_up(browser, email).alert.startswith("An account with this e-mail address exists")
    weak = send(browser, open_page(browser).form("Sign up"), email="new@example.com", password="passwordpassword")
    assert weak.response.status_code == 422
    assert "Choose another" in weak.alert
    assert ("details", {"open": ""}) in weak.elements


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
            page = Page(browser.post(form.action, data=fields))
            assert page.response.status_code == 403
            assert page.alert == OLD_FORM
    assert is_logged_in(browser)
    assert is_logged_in(other)
    assert send(browser, account.form("Log out")).response.status_code == 401


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
    assert page.alert == OLD_FORM
    assert "set-cookie" not in page.response.headers
    assert is_logged_in(other)


def test_logging_out_everywhere_ends_the_session_of_another_browser(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    sign_up(browser, email)
    log_in(other, email)
    assert is_logged_in(other)
    left = send(browser, open_page(browser).form("Log out everywhere"))
    assert left.response.status_code == 401
    assert not is_logged_in(other)


def test_the_device_list_ends_the_session_of_one_browser(
    browser: httpx.Client, other: httpx.Client, email: str
) -> None:
    sign_up(browser, email)
    log_in(other, email)
    listed = open_page(browser)
    assert {"first browser", "other browser"} <= {each.strip() for each in listed.text.splitlines()}
    assert send(browser, listed.form("End")).response.status_code == 200
    assert not is_logged_in(other)
    assert is_logged_in(browser)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 400),
        (b"email=ada@example.com", "application/x-www-form-urlencoded", 400),
        (b"email=a&email=b&password=c", "application/x-www-form-urlencoded", 400),
        (b"email=%FF&password=%ZZ", "application/x-www-form-urlencoded", 400),
        (b"email=\xff", "application/x-www-form-urlencoded", 400),
        (b'{"email": "ada@example.com"}', "application/json", 415),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"email=" + b"a" * 17_000, "application/x-www-form-urlencoded", 413),
    ],
)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
def test_a_bad_form_is_answered_with_a_readable_page(
    browser: httpx.Client, path: str, content: bytes, media_type: str, status: int
) -> None:
    page = Page(browser.post(path, content=content, headers={"Content-Type": media_type}))
    assert page.response.status_code == status
    assert page.response.headers["content-type"] == "text/html; charset=utf-8"
    assert page.alert
    assert ("a", {"href": "/"}) in page.elements


def test_a_form_to_an_unknown_path_is_answered_with_a_readable_page(browser: httpx.Client) -> None:
    for path in ("/auth/none", "/auth/sessions/none", "/auth/"):
        assert Page(browser.post(path, data={"a": "b"})).alert


def test_form_input_is_escaped(app: App, browser: httpx.Client, email: str) -> None:
    markup = '"><script>alert(1)</script>@example.com'
    page = send(browser, open_page(browser).form("Log in"), email=markup, password=PASSWORD)
    assert page.form("Log in").fields["email"] == markup
    with httpx.Client(base_url=app.url, headers={"User-Agent": markup}) as device:
        account = sign_up(device, email)
    assert markup in account.text
    assert "script" not in {tag for tag, _ in (*page.elements, *account.elements)}


def test_a_page_is_neither_stored_nor_framed(browser: httpx.Client, email: str) -> None:
    refused = Page(browser.post("/auth/none", data={"a": "b"}))
    for page in (open_page(browser), sign_up(browser, email), refused):
        assert page.response.headers["cache-control"] == "no-store"
        assert page.response.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"


def test_a_page_needs_its_own_style_sheet_and_no_other_resource(browser: httpx.Client, email: str) -> None:
    for page in (open_page(browser), sign_up(browser, email)):
        assert [each for _, each in page.elements if {"src", "style"} & set(each)] == []
        assert [each["href"] for tag, each in page.elements if tag == "link"] == ["/static/style.css"]
        assert "script" not in {tag for tag, _ in page.elements}
    sheet = browser.get("/static/style.css")
    assert sheet.status_code == 200
    assert "url(" not in sheet.text
    assert "color-scheme: light dark" in sheet.text


def test_cookies_are_plain_on_localhost(browser: httpx.Client, email: str) -> None:
    response = browser.post("/auth/signup", data={"email": email, "password": PASSWORD})
    cookies = response.headers.get_list("set-cookie")
    assert [each.partition("=")[0] for each in cookies] == ["kt_session", "kt_device"]
    assert all("HttpOnly" in each and "SameSite=Strict" in each and "Secure" not in each for each in cookies)


def test_cookies_are_bound_to_the_host_over_https(tmp_path: Path, email: str) -> None:
    [command] = commands_of("session_app")
    with running(command, tmp_path / "data", KEYTURN_ISSUER="https://app.example") as app:
        response = httpx.post(f"{app.url}/auth/signup", data={"email": email, "password": PASSWORD})
    cookies = response.headers.get_list("set-cookie")
    assert [each.partition("=")[0] for each in cookies] == ["__Host-kt_session", "__Host-kt_device"]
    assert all("HttpOnly" in each and "Secure" in each for each in cookies)


def test_the_app_is_small() -> None:
    assert len((EXAMPLES / "session_app" / "app.py").read_text().splitlines()) <= 60

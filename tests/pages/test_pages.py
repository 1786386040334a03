"""Pages without JavaScript, in every profile: sign-up, login, devices, password, refusals."""

import re

import pytest

from keyturn.web.asgi_messages import AsgiApp
from pages.site import EMAIL, LAPTOP, NAVIGATION, Visitor, open_site, sign_in, sign_up
from web.exchanges import FORM, HOST, PASSWORD, Sent, send_asgi

NEW_PASSWORD = "another violet umbrella seen"


def names(visitor: Visitor) -> list[str]:
    """Return the names of the devices that are listed."""
    return re.findall(r'(?s)<li class="device.*?<h2>([^<]*?)\s*<', visitor.text)


def said(visitor: Visitor) -> str:
    return re.findall(r'(?s)role="(?:status|alert)"[^>]*>\s*([^<]*?)\s*<', visitor.text)[0]


def test_a_visitor_signs_up_and_sees_this_device(laptop: Visitor) -> None:
    sign_up(laptop.get("/"))
    assert (laptop.path, laptop.title) == ("/account/devices", "Your devices")
    assert names(laptop) == ["Firefox on Linux"]
    assert "This device" in laptop.text
    assert "Sign out" in laptop.get("/").text


def test_a_page_that_needs_a_login_comes_back_after_it(laptop: Visitor) -> None:
    sign_up(laptop)
    laptop.cookies.clear()
    laptop.get("/account/password")
    assert laptop.path == "/login?next=%2Faccount%2Fpassword"
    laptop.submit("/auth/login", email=EMAIL, password=PASSWORD)
    assert laptop.title == "Change your password"
    assert laptop.get("/login").path == "/account/devices"


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_a_failed_login_says_the_same_for_known_and_unknown_addresses(laptop: Visitor, email: str) -> None:
    sign_up(laptop)
    laptop.cookies.clear()
    sign_in(laptop, email, "wrong horse battery staple")
    assert said(laptop) == "The e-mail address or the password is wrong."
    assert email not in laptop.path
    sign_in(laptop)
    assert laptop.path == "/account/devices"


def test_a_device_that_is_ended_is_signed_out(laptop: Visitor, phone: Visitor) -> None:
    sign_up(laptop)
    sign_in(phone)
    assert names(phone) == ["Chrome Mobile on Android", "Firefox on Linux"]
    ended = next(each.action for each in phone.forms if each.action.startswith("/account/devices/"))
    phone.submit(ended)
    assert re.fullmatch(r"Ended. The last copy of it stops within [25] seconds.", said(phone))
    assert names(phone) == ["Chrome Mobile on Android"]
    assert laptop.get("/account/devices").path.startswith("/login")


def test_all_other_devices_end_at_once(site: tuple[AsgiApp, object], laptop: Visitor, phone: Visitor) -> None:
    sign_up(laptop)
    sign_in(phone)
    sign_in(Visitor(site[0], b"curl/8.5.0"))
    laptop.get("/account/devices").submit("/account/others")
    assert re.fullmatch(r"Every other device is signed out. The last copy stops within [25] seconds.", said(laptop))
    assert names(laptop) == ["Firefox on Linux"]
    assert phone.get("/account/devices").path.startswith("/login")


def test_a_sign_out_ends_this_device(laptop: Visitor) -> None:
    sign_up(laptop)
    laptop.submit("/auth/logout")
    assert said(laptop) == "You are signed out."
    assert laptop.get("/account/devices").path.startswith("/login")


def test_a_new_password_ends_the_other_devices(laptop: Visitor, phone: Visitor) -> None:
    sign_up(laptop)
    sign_in(phone)
    laptop.get("/account/password")
    laptop.submit("/auth/password", current_password=PASSWORD, new_password="short")
    assert laptop.title == "Change your password"
    assert said(laptop).startswith("This password is too easy to guess")
    laptop.submit("/auth/password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert laptop.path == "/account/devices?done=password"
    assert phone.get("/account/devices").path.startswith("/login")
    assert sign_in(phone, EMAIL, NEW_PASSWORD).path == "/account/devices"


def test_every_page_keeps_scripts_frames_and_caches_out(laptop: Visitor) -> None:
    for path in ("/", "/login", "/signup", "/account/devices", "/account/password", "/account/confirm"):
        if path == "/account/devices":
            sign_up(laptop)
        laptop.get(path)
        policy = laptop.answer.values(b"content-security-policy")[0]
        assert b"unsafe" not in policy
        for each in (b"default-src 'none'", b"frame-ancestors 'none'", b"trusted-types 'none'", b"form-action 'self'"):
            assert each in policy
        assert laptop.answer.values(b"cache-control") == [b"no-store"]
        assert not re.search(r"<script(?! type=\"module\" src=)|style=|\son\w+=", laptop.text)


def test_no_page_shows_a_credential(laptop: Visitor, phone: Visitor) -> None:
    sign_up(laptop)
    sign_in(phone)
    secrets = [value.decode() for each in (laptop, phone) for value in each.cookies.values()]
    assert secrets
    for path in ("/account/devices", "/account/password", "/account/confirm"):
        assert not [each for each in secrets if each in laptop.get(path).text]


@pytest.fixture
def app() -> AsgiApp:
    return open_site()[0]


def test_names_that_devices_give_themselves_are_shown_as_text(app: AsgiApp) -> None:
    visitor = sign_up(Visitor(app, b"<script>alert(1)</script><img src=x onerror=alert(2)>"))
    assert "<script>alert" not in visitor.text
    assert "<img" not in visitor.text
    assert "&lt;script&gt;" in visitor.text


def test_a_query_is_never_shown_as_it_came(app: AsgiApp) -> None:
    visitor = Visitor(app).get("/login?error=%3Cb%3E&retry_after=%3Ci%3E&done=%3Cu%3E&next=//evil.example")
    assert said(visitor) == "That did not work"
    assert not re.search("<b>|<i>|<u>|evil", visitor.text)


def test_a_form_of_another_site_changes_nothing(app: AsgiApp) -> None:
    visitor = sign_up(Visitor(app))
    cookie = (b"cookie", b"; ".join(name + b"=" + value for name, value in visitor.cookies.items()))
    cross_site = (HOST, cookie, FORM, (b"sec-fetch-site", b"cross-site"), (b"accept", b"text/html"))
    answer = send_asgi(app, Sent("POST", "/account/others", cross_site, b"back=/account/devices"))
    assert answer.status == 403
    assert b"This request came from another site. Nothing was changed." in answer.body
    assert b'href="/docs/errors#cross_origin"' in answer.body
    assert visitor.get("/account/devices").path == "/account/devices"


def test_a_refusal_is_a_page_with_the_code_of_the_api(app: AsgiApp) -> None:
    answer = send_asgi(app, Sent("PUT", "/login", (HOST, *NAVIGATION)))
    assert (answer.status, answer.values(b"content-type")) == (405, [b"text/html; charset=utf-8"])
    assert b"method_not_allowed" in answer.body
    head = send_asgi(app, Sent("HEAD", "/login", (HOST, *NAVIGATION)))
    assert (head.status, head.body) == (200, b"")


def test_a_style_sheet_is_kept_until_it_changes(app: AsgiApp) -> None:
    url = re.findall(r'href="(/account/assets/keyturn\.css\?v=[\w-]+)"', Visitor(app).get("/").text)[0]
    path, _, _ = url.partition("?")
    assert b"immutable" in send_asgi(app, Sent("GET", url)).values(b"cache-control")[0]
    assert send_asgi(app, Sent("GET", path)).values(b"cache-control") == [b"no-cache"]
    assert send_asgi(app, Sent("GET", path + "/../../secret")).status == 404


def test_pages_can_be_switched_off() -> None:
    app, _ = open_site(pages="off")
    assert send_asgi(app, Sent("GET", "/login", (HOST, *NAVIGATION))).status == 404
    assert send_asgi(app, Sent("GET", "/auth/session", (HOST, *NAVIGATION))).status == 401


def test_a_program_is_told_from_a_browser(app: AsgiApp) -> None:
    sign_up(Visitor(app, LAPTOP))
    assert names(sign_in(Visitor(app, b"curl/8.5.0"))) == ["curl", "Firefox on Linux"]

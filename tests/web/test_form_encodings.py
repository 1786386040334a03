"""Forms in other encodings, beside other credentials, and of unknown origin."""

import pytest

from keyturn.core.policy import BROWSER_STRICT
from keyturn.web.message import Reply
from web.browser import FORM, PASSWORD, Browser, Make, document, header, set_cookies, text
from web.form_browser import SAME


def encoded(browser: Browser, path: str, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    sent = headers or ((b"sec-fetch-site", b"same-origin"),)
    return browser.send("POST", path, headers=[(b"content-type", kind), *sent], body=body)


PATHS = ["/auth/signup", "/auth/login", "/auth/logout", "/auth/logout-all", "/auth/step-up", "/auth/password"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        (FORM, b"password=a&password=b&back=/login", 400, "bad_request"),
        (FORM, b"next=/a&next=//evil&back=/login", 400, "bad_request"),
        (FORM, b"csrf_token=a&csrf%5ftoken=b", 400, "bad_request"),
        (FORM, b"back=/login&a=%ff", 400, "bad_request"),
        (FORM, b"back=/login&a=%zz", 400, "bad_request"),
        (FORM, b'{"back": "/login"}', 400, "bad_request"),
        (FORM, b"&".join(b"a%d=1" % number for number in range(40)), 400, "bad_request"),
        (FORM, b"back=/login&a=" + b"a" * 17_000, 413, "payload_too_large"),
        (FORM + b"; charset=iso-8859-1", b"back=/login", 415, "unsupported_media_type"),
        (FORM + b"; charset", b"back=/login", 415, "unsupported_media_type"),
        (b"multipart/form-data; boundary=x", b"--x--", 415, "unsupported_media_type"),
        (b"Multipart/Form-Data", b"", 415, "unsupported_media_type"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_a_malformed_form_is_refused_once(
    browser: Browser, path: str, kind: bytes, body: bytes, status: int, code: str
) -> None:
    browser.signup("cookie")
    reply = encoded(browser, path, kind, body)
    assert (reply.status, document(reply)["code"], set_cookies(reply)) == (status, code, {})
    assert browser.get("/auth/session").status == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_second_type_or_an_encoding_is_refused(browser: Browser, path: str) -> None:
    browser.signup("cookie")
    for extra in ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"), (b"content-type", FORM)):
        reply = encoded(browser, path, FORM, b"", extra, (b"sec-fetch-site", b"same-origin"))
        assert (reply.status, header(reply, b"accept")) == (415, FORM.decode())


@pytest.mark.parametrize("kind", [FORM, b"text/plain", b"text/plain; charset=utf-8"])
def test_a_logout_by_a_form_of_unknown_origin_needs_the_token(browser: Browser, kind: bytes) -> None:
    browser.signup("cookie")
    unknown = encoded(browser, "/auth/logout", kind, b"", (b"accept", b"text/html"))
    assert document(unknown)["code"] == "csrf_token_required"
    assert browser.get("/auth/session").status == 200
    if kind != FORM:
        assert document(encoded(browser, "/auth/logout", kind, b""))["revoked"] is True


def test_a_client_without_a_form_needs_no_token(browser: Browser) -> None:
    browser.signup("cookie")
    assert browser.send("POST", "/auth/logout").status == 200


def test_a_form_with_a_bearer_token_is_answered_in_json(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    reply = browser.form("/auth/step-up", {"password": PASSWORD, "next": "/orders"}, token)
    assert (reply.status, "access_token" in document(reply), set_cookies(reply)) == (200, True, {})
    assert document(browser.form("/auth/logout", {}, token))["revoked"] is True


def test_a_token_in_the_header_and_another_in_the_field_is_refused(make: Make) -> None:
    browser = make(BROWSER_STRICT)
    csrf = text(browser.signup("cookie"), "csrf_token")
    both = browser.form("/auth/logout", {"csrf_token": csrf}, x_csrf_token=csrf)
    assert document(both)["code"] == "csrf_token_required"
    assert browser.form("/auth/logout", {}, x_csrf_token=csrf, **SAME).status == 303

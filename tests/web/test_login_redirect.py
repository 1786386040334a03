"""Redirects to the login page: for a browser that asked for a page, and for nothing else."""

import pytest

from keyturn.errors import (
    BadRequest,
    CrossOrigin,
    Forbidden,
    Refusal,
    RevocationUnknown,
    SessionEnded,
    StepUpRequired,
    TokenInvalid,
    TokenRevoked,
    Unauthenticated,
)
from keyturn.web.login_redirect import login_redirect
from keyturn.web.message import Header, Reply, Request

HTML = (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
NAVIGATE = (b"sec-fetch-mode", b"navigate")
BROWSER = (HTML, NAVIGATE)


def location(reply: Reply | None) -> str | None:
    if reply is None:
        return None
    assert reply.status == 303
    headers = dict(reply.headers)
    assert headers[b"cache-control"] == b"no-store"
    return headers[b"location"].decode()


def redirect(path: str = "/orders", query: str = "", *headers: Header, refusal: Refusal | None = None) -> str | None:
    request = Request("GET", path, query, headers or BROWSER)
    return location(login_redirect(request, refusal or Unauthenticated(), "/login"))


@pytest.mark.parametrize("refusal", [Unauthenticated(), TokenRevoked(), SessionEnded(), TokenInvalid()])
def test_a_browser_is_sent_to_the_login_page_with_the_page_it_asked_for(refusal: Refusal) -> None:
    assert redirect("/orders", "page=2", refusal=refusal) == "/login?next=%2Forders%3Fpage%3D2"


@pytest.mark.parametrize(
    "headers",
    [(HTML,), ((b"accept", b"TEXT/HTML ;q=0.5"),), ((b"accept", b"image/png"), (b"accept", b"text/html"), NAVIGATE)],
)
def test_a_browser_without_fetch_metadata_is_known_by_the_types_it_accepts(headers: tuple[Header, ...]) -> None:
    assert redirect("/", "", *headers) == "/login?next=%2F"


@pytest.mark.parametrize(
    "headers",
    [
        ((b"host", b"a"),),
        (NAVIGATE,),
        ((b"accept", b"*/*"),),
        ((b"accept", b"application/json"), NAVIGATE),
        ((b"accept", b"text/htmlx, x-text/html"),),
        (HTML, (b"sec-fetch-mode", b"cors")),
        (HTML, (b"sec-fetch-mode", b"same-origin")),
        (HTML, (b"sec-fetch-mode", b"websocket")),
        (HTML, NAVIGATE, NAVIGATE),
        (HTML, (b"upgrade", b"websocket"), (b"connection", b"upgrade")),
        (HTML, (b"x-requested-with", b"XMLHttpRequest")),
        (*BROWSER, (b"authorization", b"Bearer x")),
    ],
)
def test_a_script_a_socket_and_a_bearer_token_get_the_refusal_itself(headers: tuple[Header, ...]) -> None:
    assert redirect("/orders", "", *headers) is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "get"])
def test_another_method_is_not_redirected(method: str) -> None:
    assert login_redirect(Request(method, "/orders", "", BROWSER), Unauthenticated(), "/login") is None


@pytest.mark.parametrize("refusal", [Forbidden(), CrossOrigin(), BadRequest(), RevocationUnknown()])
def test_a_refusal_that_no_login_mends_is_not_redirected(refusal: Refusal) -> None:
    assert redirect(refusal=refusal) is None


def test_a_basic_header_of_a_staging_site_does_not_hinder_the_redirect() -> None:
    assert redirect("/orders", "", *BROWSER, (b"authorization", b"Basic YTpi")) == "/login?next=%2Forders"


def test_a_step_up_has_a_page_of_its_own() -> None:
    request = Request("GET", "/transfer", "", BROWSER)
    assert location(login_redirect(request, StepUpRequired(), "/login", step_up_page="/confirm")) == (
        "/confirm?next=%2Ftransfer"
    )
    assert location(login_redirect(request, StepUpRequired(), "/login")) == "/login?next=%2Ftransfer"
    assert location(login_redirect(request, Unauthenticated(), "/login", step_up_page="/confirm")) == (
        "/login?next=%2Ftransfer"
    )


def test_the_login_page_is_not_redirected_to_itself() -> None:
    request = Request("GET", "/login", "next=%2F", BROWSER)
    assert login_redirect(request, Unauthenticated(), "/login?lang=de", root_path="/shop") is None


def test_the_prefix_of_a_mounted_application_is_added_to_both_paths() -> None:
    request = Request("GET", "/orders", "", BROWSER)
    reply = login_redirect(request, Unauthenticated(), "/login?lang=de", root_path="/shop")
    assert location(reply) == "/shop/login?lang=de&next=%2Fshop%2Forders"


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("//evil.example", "", "%2F"),
        ("/\\evil.example/", "", "%2F%255Cevil.example%2F"),
        ("/a\r\nb", "", "%2Fa%250D%250Ab"),
        ("/a", "b\r\nc", "%2F"),
        ("/a", "b" * 5000, "%2F"),
    ],
)
def test_an_odd_path_never_leads_elsewhere(path: str, query: str, wanted: str) -> None:
    assert redirect(path, query) == f"/login?next={wanted}"

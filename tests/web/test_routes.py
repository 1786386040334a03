"""From a method and a path to an endpoint."""

import pytest

from keyturn.errors import MethodNotAllowed, NotFound
from keyturn.flows.drive import drive
from keyturn.web.message import Request
from keyturn.web.route import Route
from keyturn.web.routes import ROUTES, find, handle, match
from web.browser import Browser, document, header

SID = "A" * 22


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_found_under_its_own_name(route: Route) -> None:
    assert match(route.method, route.path.replace("{sid}", SID)) is route


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/auth",
        "/auth/login/",
        "//auth/login",
        "/AUTH/login",
        "/auth/sessions/",
        "/auth/sessions/{sid}",
        "/auth/sessions/" + "A" * 21,
        "/auth/sessions/" + "A" * 21 + "B",
        "/auth/sessions/" + "A" * 22 + "\n",
        "/auth/sessions/" + SID + "/" + SID,
        "/auth/sessions/../" + SID,
        "/" + SID,
        "\ud800",
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        match("GET", path)


def test_head_is_routed_like_get() -> None:
    assert match("HEAD", "/auth/session") is match("GET", "/auth/session")
    with pytest.raises(MethodNotAllowed):
        match("HEAD", "/auth/login")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/auth/login", "POST"),
        ("get", "/auth/session", "GET, HEAD"),
        ("OPTIONS", "/auth/sessions", "GET, HEAD"),
        ("GET", f"/auth/sessions/{SID}", "DELETE, POST"),
    ],
)
def test_a_wrong_method_learns_the_right_ones(browser: Browser, method: str, path: str, allow: str) -> None:
    reply = browser.send(method, path)
    assert (reply.status, header(reply, b"allow")) == (405, allow)


def test_head_has_the_headers_of_get_and_no_body(browser: Browser) -> None:
    head, get = browser.send("HEAD", "/openapi.json"), browser.send("GET", "/openapi.json")
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    refused = browser.send("HEAD", "/nowhere")
    assert (refused.status, refused.body) == (404, b"")


def test_a_refusal_at_an_oauth_path_is_one_of_oauth(browser: Browser) -> None:
    assert document(browser.send("GET", "/auth/token"))["error"] == "invalid_request"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_endpoint_fails_on_an_empty_request(browser: Browser, route: Route) -> None:
    reply = browser.send(route.method, route.path.replace("{sid}", SID))
    assert reply.status < 500
    assert Request(route.method, route.path).body == b""


def test_find_returns_the_refusal_that_match_raises() -> None:
    assert find("GET", "/auth/session") is match("GET", "/auth/session")
    assert isinstance(find("GET", "/nowhere"), NotFound)
    assert isinstance(find("GET", "/auth/login"), MethodNotAllowed)


def test_handle_does_not_match_a_request_again(browser: Browser) -> None:
    request = Request("GET", "/nowhere")
    found = find("GET", "/docs/errors")
    assert drive(handle(request, browser.now, browser.site, found), browser.ports).status == 200
    refused = drive(handle(request, browser.now, browser.site, NotFound("none")), browser.ports)
    assert refused.status == 404

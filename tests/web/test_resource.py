"""``resource`` over HTTP (RFC 8707), at login, at signup and at the token endpoint."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from web.browser import EMAIL, FORM, PASSWORD, SERVICE_TOKEN, Browser, document, header, text

ISSUER = "https://auth.example.com"
LOGIN = {"email": EMAIL, "password": PASSWORD, "deliver": "tokens"}
LOGOUTS = ("logout", "logout-all", "logout-others")


@pytest.fixture
def several(browser: Browser) -> Browser:
    config = replace(browser.site.issuer_config, audience=("orders", "billing", ISSUER))
    browser.site = replace(browser.site, issuer_config=config)
    browser.signup("tokens")
    return browser


def aud(browser: Browser, token: object) -> object:
    return document(browser.form("/auth/introspect", {"token": str(token)}, SERVICE_TOKEN))["aud"]


def refresh_token(browser: Browser, **fields: object) -> str:
    return text(browser.post("/auth/login", LOGIN | fields), "refresh_token")


def token(browser: Browser, refresh: str, *pairs: tuple[str, str]) -> dict[str, object]:
    fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), *pairs]
    reply = browser.send("POST", "/auth/token", headers=[(b"content-type", FORM)], body=urlencode(fields).encode())
    return document(reply) | {"status": reply.status}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (None, ["orders", "billing", ISSUER]),
        ("billing", "billing"),
        (["billing"], "billing"),
        (["billing", "orders", "billing"], ["orders", "billing"]),
    ],
)
def test_a_login_takes_a_string_or_a_list(several: Browser, resource: object, expected: object) -> None:
    reply = several.post("/auth/login", LOGIN | {"resource": resource})
    assert aud(several, document(reply)["access_token"]) == expected


def test_a_signup_takes_a_resource(several: Browser) -> None:
    reply = several.post("/auth/signup", LOGIN | {"email": "bob@example.com", "resource": "billing"})
    assert aud(several, document(reply)["access_token"]) == "billing"


@pytest.mark.parametrize(
    "resource", ["stock", "Orders", "orders/", "", [], ["orders", "stock"], f"{ISSUER}/", "o" * 9000]
)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
def test_an_unknown_resource_is_an_invalid_target(several: Browser, path: str, resource: object) -> None:
    reply = several.post(path, LOGIN | {"resource": resource})
    assert (reply.status, document(reply)["code"]) == (400, "invalid_target")
    assert header(reply, b"content-type") == "application/problem+json"
    assert b"ooo" not in reply.body


@pytest.mark.parametrize("resource", [7, True, {}, {"a": "orders"}, [7], [["orders"]], ["orders", None]])
def test_a_resource_of_another_type_is_an_invalid_member(several: Browser, resource: object) -> None:
    answer = document(several.post("/auth/login", LOGIN | {"resource": resource}))
    assert (answer["code"], answer["member"]) == ("invalid_member", "resource")
    assert answer["hint"] == "`resource` must be a string or a list of strings."


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["orders", "billing", ISSUER]),
        (["billing"], "billing"),
        ([ISSUER, "billing"], ["billing", ISSUER]),
        (["billing", ""], "billing"),
        ([""], ["orders", "billing", ISSUER]),
    ],
)
@pytest.mark.conforms("RFC 8707 2.2")
def test_the_token_endpoint_takes_a_resource_repeatedly(several: Browser, names: list[str], expected: object) -> None:
    """An empty parameter is omitted (RFC 6749 section 3.2)."""
    answer = token(several, refresh_token(several), *(("resource", each) for each in names))
    assert aud(several, answer["access_token"]) == expected


@pytest.mark.parametrize(
    "names",
    [["stock"], ["billing", "stock"], ["orders,billing"], ["billing#a"], ["/orders"], ["\uff4frders"], ["o" * 9000]],
)
@pytest.mark.conforms("RFC 8707 2")
def test_the_token_endpoint_refuses_another_resource_in_oauth_terms(several: Browser, names: list[str]) -> None:
    refresh = refresh_token(several, resource=["orders", "billing"])
    answer = token(several, refresh, *(("resource", each) for each in names))
    assert (answer["status"], answer["error"], answer["code"]) == (400, "invalid_target", "invalid_target")
    assert token(several, refresh)["status"] == 200, "the refresh token stays usable"


def test_a_refresh_for_more_than_the_login_was_granted_is_refused(several: Browser) -> None:
    answer = token(several, refresh_token(several, resource="orders"), ("resource", "billing"))
    assert (answer["status"], answer["error"]) == (400, "invalid_target")


def test_only_the_resource_may_be_repeated(several: Browser) -> None:
    refresh = refresh_token(several)
    for pair in (("grant_type", "refresh_token"), ("refresh_token", refresh), ("other", "1")):
        assert token(several, refresh, pair, ("other", "2"), ("resource", "orders"))["code"] == "bad_request"
    many = [("resource", "orders")] * 31
    assert token(several, refresh, *many)["code"] == "bad_request"


def test_the_refresh_cookie_takes_a_resource(several: Browser) -> None:
    several.post("/auth/login", LOGIN | {"deliver": "token-cookies"})
    assert several.form("/auth/token", {"grant_type": "refresh_token", "resource": "orders"}).status == 200
    assert aud(several, several.cookies["__Host-kt_access"]) == "orders"
    assert several.get("/auth/session").status == 401
    assert several.form("/auth/token", {"grant_type": "refresh_token", "resource": ISSUER}).status == 200
    assert several.get("/auth/session").status == 200


@pytest.mark.parametrize("path", ["/auth/session", "/auth/sessions"])
def test_a_token_for_a_service_is_refused_at_the_account_endpoints(several: Browser, path: str) -> None:
    refresh = refresh_token(several)
    assert several.get(path, str(token(several, refresh, ("resource", "orders"))["access_token"])).status == 401
    assert several.get(path, str(token(several, refresh, ("resource", ISSUER))["access_token"])).status == 200
    assert several.get(path, str(token(several, refresh)["access_token"])).status == 200


@pytest.mark.parametrize(
    "path", ["/auth/logout", "/auth/logout-all", "/auth/logout-others", "/auth/step-up", "/auth/password"]
)
def test_a_token_for_a_service_changes_no_account(several: Browser, path: str) -> None:
    answer = token(several, refresh_token(several), ("resource", "orders"))
    body = {"password": PASSWORD, "current_password": PASSWORD, "new_password": PASSWORD + "2"}
    assert several.post(path, body, str(answer["access_token"])).status == 401
    assert several.get("/auth/session", str(token(several, str(answer["refresh_token"]))["access_token"])).status == 200


def test_a_service_cannot_revoke_the_session_of_a_token_that_is_limited_to_it(several: Browser) -> None:
    answer = token(several, refresh_token(several), ("resource", "orders"))
    assert document(several.form("/auth/revoke", {"token": str(answer["access_token"])}))["revoked"] is False
    refreshed = token(several, str(answer["refresh_token"]))
    assert several.get("/auth/session", str(refreshed["access_token"])).status == 200
    assert document(several.form("/auth/revoke", {"token": str(refreshed["access_token"])}))["revoked"] is True

"""Hints name the allowed values and what to send instead, and repeat nothing of the request."""

from dataclasses import replace

import pytest

from web.browser import Browser, document, header

JSON = (b"content-type", b"application/json")
LOGIN = {"email": "ada@example.com", "password": "hunter2hunter2"}


def hint_of(browser: Browser, body: bytes, kind: tuple[bytes, bytes] = JSON) -> str:
    reply = browser.send("POST", "/auth/login", headers=[kind], body=body)
    assert b"hunter2" not in reply.body
    return str(document(reply)["hint"])


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"deliver": "cookies"}, "`deliver` must be one of cookie, tokens, both, token-cookies."),
        ({"deliver": 7}, "`deliver` must be one of cookie, tokens, both, token-cookies."),
        ({"client_id": "a b"}, "`client_id` must be 1 to 64 characters of A-Z, a-z, 0-9, ., _ and -."),
        ({"email": "ada"}, "`email` must be one e-mail address of at most 254 bytes."),
        ({"email": "a" * 2000}, "`email` must be at most 254 bytes long."),
        ({"password": None}, "`password` must be a string."),
    ],
)
def test_an_invalid_field_names_its_allowed_values(browser: Browser, fields: dict[str, object], hint: str) -> None:
    reply = browser.post("/auth/login", LOGIN | fields)
    assert document(reply)["hint"] == hint
    assert document(reply)["member"] in fields


def test_a_missing_field_is_named(browser: Browser) -> None:
    assert hint_of(browser, b'{"email": "ada@example.com"}') == "`password` is missing; send a string."


def test_the_hint_for_a_body_that_is_not_an_object_says_so(browser: Browser) -> None:
    assert hint_of(browser, b'["hunter2"]') == "`body` must be a JSON object."


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"password": "hunter2", 1}', "Expecting property name enclosed in double quotes, line 1, column 25."),
        (b'{"password": "hunter2"\n "email": 1}', "Expecting ',' delimiter, line 2, column 2."),
        (b'{"a": "hunter2", "a": 1}', "Send each field of the JSON object once."),
        (b"[" * 10_000, "nested too deeply."),
        (b'{"a": "\xff"}', "The body is not valid UTF-8."),
    ],
)
def test_broken_json_is_located(browser: Browser, body: bytes, hint: str) -> None:
    assert hint_of(browser, body).endswith(hint)


@pytest.mark.parametrize(
    "text",
    ["CANARY at `$.nope`", "required field `zz`", "Object missing required field `password`", "a - at `$.email`\n"],
)
def test_a_value_that_looks_like_an_error_message_blames_its_own_field(browser: Browser, text: str) -> None:
    reply = browser.post("/auth/login", LOGIN | {"deliver": text})
    assert (reply.status, document(reply)["member"]) == (400, "deliver")
    assert reply.refusal is not None
    assert text not in f"{document(reply)} {reply.refusal.detail}"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/token"])
def test_a_wrong_media_type_names_the_right_one(browser: Browser, path: str) -> None:
    reply = browser.send("POST", path, headers=[(b"content-type", b"text/plain")], body=b"{}")
    form = "application/x-www-form-urlencoded"
    expected = ["application/json", form] if path == "/auth/login" else [form]
    assert f"Content-Type: {' or '.join(expected)} (once)" in str(document(reply)["hint"])
    assert header(reply, b"accept") == ", ".join(expected)


def test_a_wrong_authorization_scheme_names_the_right_one(browser: Browser) -> None:
    reply = browser.send("GET", "/auth/session", headers=[(b"authorization", b"Basic aHVudGVyMg==")])
    assert (reply.status, header(reply, b"www-authenticate")) == (401, "Bearer")
    assert "send the header Authorization: Bearer, a space, and the token" in str(document(reply)["hint"])


@pytest.mark.parametrize(("credentials", "asked"), [("session", "both"), ("jwt", "cookie")])
def test_a_delivery_that_is_not_offered_names_the_offered_ones(browser: Browser, credentials: str, asked: str) -> None:
    realm = replace(browser.site.issuer_config, credentials=credentials)  # type: ignore[arg-type]  # a Literal
    browser.site = replace(browser.site, issuer_config=realm)
    reply = browser.post("/auth/login", LOGIN | {"deliver": asked})
    offered = {"session": "`deliver` may be cookie.", "jwt": "`deliver` may be tokens or token-cookies."}
    assert document(reply)["hint"] == f"This server does not issue that; {offered[credentials]}"


def test_the_hint_for_an_unknown_grant_type_names_the_supported_one(browser: Browser) -> None:
    reply = browser.form("/auth/token", {"grant_type": "password"})
    assert document(reply)["error_description"] == "Send grant_type=refresh_token, the only grant type of this server."


def test_a_query_field_names_its_form(browser: Browser) -> None:
    reply = browser.get("/auth/revocations?after=-1", "service-token-0123456789abcdef")
    assert document(reply)["hint"] == "`after` must be a whole number of at most 18 digits."

"""Which origins are answered, and with which headers."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.cors import (
    MAX_REFLECTED_BYTES,
    NO_ORIGINS,
    TrustedOrigins,
    cors_headers,
    is_from_app,
    is_preflight,
    parse_origins,
    preflight_headers,
)
from keyturn.errors import ConfigurationError

SITE, APP = b"https://app.example.com", b"capacitor://localhost"
TRUSTED = parse_origins(["https://App.Example.com:443", "capacitor://localhost"])
ORIGIN, METHOD, NAMES = b"origin", b"access-control-request-method", b"access-control-request-headers"
STRANGERS = [
    b"null",
    b"*",
    b"",
    b"https://evil.example",
    b"http://app.example.com",
    b"https://app.example.com:8443",
    b"https://app.example.com.evil.example",
    b"https://app.example.com, https://evil.example",
    b"https://APP.example.com",
    b"capacitor://localhost:1",
    b"capacitor://localhosted",
    b"ionic://localhost",
    b"\xff\xfe",
]


@pytest.mark.parametrize(
    "text",
    [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "app://-",
        "chrome-extension://abcdefghijklmnop",
        "safari-web-extension://0C3A-1B",
        "app://localhost:3000",
    ],
)
def test_the_origin_of_an_app_shell_is_listed_for_tokens(text: str) -> None:
    assert parse_origins([text]) == TrustedOrigins(apps=frozenset({text}))


def test_a_site_is_listed_as_browsers_serialize_it() -> None:
    assert TRUSTED.sites == {SITE.decode()}
    assert TRUSTED.without_cookies() == TrustedOrigins(apps=frozenset({SITE.decode(), APP.decode()}))


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "*",
        "capacitor://",
        "capacitor://*",
        "capacitor://localhost/",
        "file://",
        "file://host",
        "data://x",
        "ws://app.example.com",
        "javascript://x",
        "Capacitor://localhost",
        "app://a b",
        "capacitor:localhost",
        "app://localhost\n",
    ],
)
def test_no_origin_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not an origin"):
        parse_origins([text])


def test_a_trusted_site_may_use_credentials_and_an_app_may_not() -> None:
    shared = {
        b"access-control-expose-headers": b"Allow, Retry-After, WWW-Authenticate, X-Request-Id",
        b"vary": b"Origin",
    }
    assert dict(cors_headers([SITE], TRUSTED)) == {
        b"access-control-allow-origin": SITE,
        b"access-control-allow-credentials": b"true",
        **shared,
    }
    assert dict(cors_headers([APP], TRUSTED)) == {b"access-control-allow-origin": APP, **shared}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_any_other_origin_gets_no_header(stranger: bytes) -> None:
    assert cors_headers([stranger], TRUSTED) == ()
    assert preflight_headers([(ORIGIN, stranger), (METHOD, b"POST")], TRUSTED) == ()
    assert not is_from_app([stranger], TRUSTED)


def test_a_repeated_or_missing_origin_gets_no_header() -> None:
    assert cors_headers([], TRUSTED) == cors_headers([SITE, SITE], TRUSTED) == cors_headers([SITE], NO_ORIGINS) == ()


def test_a_page_of_an_app_is_recognized() -> None:
    assert is_from_app([APP], TRUSTED)
    assert not is_from_app([SITE], TRUSTED)
    assert not is_from_app([APP, APP], TRUSTED)
    assert not is_from_app([APP], NO_ORIGINS)


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("OPTIONS", [(ORIGIN, SITE), (METHOD, b"POST")], True),
        ("OPTIONS", [(ORIGIN, b"null"), (METHOD, b" GET "), (NAMES, b"authorization"), (b"accept", b"*/*")], True),
        ("options", [(ORIGIN, SITE), (METHOD, b"POST")], False),
        ("POST", [(ORIGIN, SITE), (METHOD, b"POST")], False),
        ("OPTIONS", [(ORIGIN, SITE)], False),
        ("OPTIONS", [(METHOD, b"POST")], False),
        ("OPTIONS", [(ORIGIN, b""), (METHOD, b"POST")], False),
        ("OPTIONS", [(ORIGIN, SITE), (METHOD, b"")], False),
        ("OPTIONS", [(ORIGIN, SITE), (METHOD, b"POST, GET")], False),
        ("OPTIONS", [(ORIGIN, SITE), (ORIGIN, SITE), (METHOD, b"POST")], False),
        ("OPTIONS", [(ORIGIN, SITE), (METHOD, b"POST"), (METHOD, b"GET")], False),
        ("OPTIONS", [], False),
    ],
)
def test_only_a_true_preflight_is_one(method: str, headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert is_preflight(method, headers) is expected


def test_a_preflight_is_allowed_what_it_asks_for() -> None:
    asked = [(ORIGIN, SITE), (METHOD, b"PUT"), (NAMES, b"authorization,x-b")]
    assert dict(preflight_headers(asked, TRUSTED)) == {
        b"access-control-allow-origin": SITE,
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"PUT",
        b"access-control-allow-headers": b"authorization,x-b",
        b"access-control-max-age": b"600",
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    fixed = dict(preflight_headers(asked, TRUSTED, b"GET", b"Accept"))
    assert (fixed[b"access-control-allow-methods"], fixed[b"access-control-allow-headers"]) == (b"GET", b"Accept")


@pytest.mark.parametrize("names", [b"", b"a;b", b"a\r\nb", b"*, a b", b"x" * (MAX_REFLECTED_BYTES + 1)])
def test_malformed_names_of_headers_are_not_reflected(names: bytes) -> None:
    found = dict(preflight_headers([(ORIGIN, APP), (METHOD, b"GET"), (NAMES, names)], TRUSTED))
    assert b"access-control-allow-headers" not in found
    assert b"access-control-allow-credentials" not in found


@given(st.lists(st.binary(max_size=30), max_size=3), st.text(max_size=30))
def test_any_bytes_get_no_header(origin: list[bytes], text: str) -> None:
    assert cors_headers(origin, TRUSTED) == ()
    with contextlib.suppress(ConfigurationError):
        assert cors_headers([b"null"], parse_origins([text])) == ()

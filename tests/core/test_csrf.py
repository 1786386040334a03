"""Spellings of origins, and which requests need a CSRF token. The grid is in tests/advisories."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.csrf import canonical_origin, check_origin, is_token_required
from keyturn.errors import ConfigurationError, CrossOrigin


def passes(origin: str, host: str, trusted: frozenset[str] = frozenset()) -> bool:
    try:
        check_origin("POST", sec_fetch_site=[], origin=[origin.encode()], host=[host.encode()], trusted_origins=trusted)
    except CrossOrigin:
        return False
    return True


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://example.com", "example.com"),
        ("https://EXAMPLE.com", "example.COM"),
        ("https://example.com", "example.com:443"),
        ("https://example.com:443", "example.com"),
        ("http://example.com", "example.com:80"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[0:0:0:0:0:0:0:1]", "[::1]"),
        ("https://example.com.", "example.com."),
    ],
)
def test_one_origin_in_two_spellings_is_one_origin(origin: str, host: str) -> None:
    assert passes(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://example.com", "example.com.br"),
        ("https://example.com.", "example.com"),
        ("https://example.com", "example.com."),
        ("https://sub.example.com", "example.com"),
        ("https://example.com", "evil-example.com"),
        ("https://example.com:8443", "example.com"),
        ("https://example.com", "example.com:8443"),
        ("https://example.com", "example.com:80"),
        ("http://example.com", "example.com:443"),
        ("http://localhost:3000", "localhost:8000"),
        ("http://[::2]", "[::1]"),
        ("http://[::1", "[::1"),
        ("http://[1.2.3.4]", "[1.2.3.4]"),
        ("http://[fe80::1%25eth0]", "[fe80::1%25eth0]"),
        ("https://example.com", ""),
        ("https://example.com", "example.com, example.com"),
        ("https://example.com", "example.com:"),
        ("https://example.com:0", "example.com:0"),
        ("https://example.com:99999", "example.com:99999"),
        ("https://user@example.com", "example.com"),
        ("https://example.com@evil.example", "example.com"),
        ("https://example.com/", "example.com"),
        ("https://example.com?x", "example.com"),
        ("https://example.com https://evil.example", "example.com"),
        ("https://example.com\\evil", "example.com"),
        (" https://example.com", "example.com"),
        ("ftp://example.com", "example.com"),
        ("file://", ""),
        ("null", "null"),
        ("", "example.com"),
        ("https://", ""),
    ],
)
def test_another_origin_or_none_is_refused(origin: str, host: str) -> None:
    assert not passes(origin, host)


def test_a_trusted_origin_passes_in_any_spelling() -> None:
    trusted = frozenset({canonical_origin("https://App.Example:443")})
    assert trusted == {"https://app.example"}
    assert passes("https://app.example", "api.example", trusted)
    assert passes("https://APP.example:443", "api.example", trusted)
    assert not passes("http://app.example", "api.example", trusted)
    assert not passes("null", "api.example", trusted)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("HTTPS://Example.COM:443", "https://example.com"),
        ("http://example.com:8080", "http://example.com:8080"),
        ("http://[0:0::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_has_one_spelling(text: str, spelled: str) -> None:
    assert canonical_origin(text) == spelled


@pytest.mark.parametrize(
    "text", ["*", "null", "", "example.com", "https://*.example.com", "https://a/b", "https://a:b"]
)
def test_a_malformed_trusted_origin_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        canonical_origin(text)


@given(
    st.lists(st.binary(max_size=20), max_size=2), st.lists(st.binary(max_size=30), max_size=2), st.binary(max_size=20)
)
def test_any_bytes_pass_or_are_refused(site: list[bytes], origin: list[bytes], host: bytes) -> None:
    with contextlib.suppress(CrossOrigin):
        check_origin("POST", sec_fetch_site=site, origin=origin, host=[host])
        assert site in ([], [b"same-origin"], [b"none"])


@pytest.mark.parametrize(
    ("method", "cookie", "policy", "needed"),
    [
        ("POST", True, True, True),
        ("get", True, True, True),
        ("GET", True, True, False),
        ("POST", False, True, False),
        ("POST", True, False, False),
    ],
)
def test_only_a_cookie_on_an_unsafe_request_needs_a_token(
    method: str, cookie: bool, policy: bool, needed: bool
) -> None:
    assert is_token_required(method, credential_is_cookie=cookie, csrf_token=policy) is needed

"""Precedence of the credentials in a request."""

import pytest

from keyturn.core.issuer_config import IssuerConfig
from keyturn.errors import BadRequest, Refusal, TokenMalformed, Unauthenticated
from keyturn.web.credentials import MAX_BEARER_CHARS, Credential, extract, read_cookie
from keyturn.web.message import Header, Request
from web.browser import Browser

ALL_COOKIES = (b"cookie", b"__Host-kt_access=a; __Host-kt_session=s; __Host-kt_refresh=r")


@pytest.fixture
def realm(browser: Browser) -> IssuerConfig:
    return browser.site.issuer_config


def request(*headers: Header, query: str = "") -> Request:
    return Request("GET", "/auth/session", query, headers)


def test_a_request_without_credentials_yields_none(realm: IssuerConfig) -> None:
    assert extract(request(), realm) is None
    assert extract(request((b"cookie", b"other=1")), realm) is None


def test_a_bearer_token_wins_over_cookies(realm: IssuerConfig) -> None:
    found = extract(request((b"authorization", b"Bearer tok.en-_~+/=="), ALL_COOKIES), realm)
    assert found == Credential("access", "tok.en-_~+/==", cookie=False)


@pytest.mark.parametrize("scheme", [b"bearer", b"BEARER", b"Bearer  "])
def test_the_scheme_is_read_in_any_case(realm: IssuerConfig, scheme: bytes) -> None:
    found = extract(request((b"authorization", scheme + b" token")), realm)
    assert found is not None
    assert found.text == "token"


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (b"Bearer", TokenMalformed),
        (b"Bearer ", TokenMalformed),
        (b"Bearer a b", TokenMalformed),
        (b"Bearer a,b", TokenMalformed),
        (b"Bearer a\n", TokenMalformed),
        (b"Bearer =", TokenMalformed),
        (b"Bearer \xe9", TokenMalformed),
        (b'Bearer "a"', TokenMalformed),
        (b"Bearer " + b"a" * MAX_BEARER_CHARS, TokenMalformed),
    ],
)
def test_a_bad_bearer_token_is_refused_beside_a_cookie(
    realm: IssuerConfig, value: bytes, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal) as caught:
        extract(request((b"authorization", value), ALL_COOKIES), realm)
    assert type(caught.value) is refusal


@pytest.mark.parametrize("value", [b"Basic YTpi", b"", b"Bearerish token", b"Digest x", b"Token abc"])
def test_a_header_of_another_scheme_is_ignored_beside_a_cookie_and_refused_alone(
    realm: IssuerConfig, value: bytes
) -> None:
    """A browser sends Basic to a staging site at every request."""
    assert extract(request((b"authorization", value), ALL_COOKIES), realm) == Credential("session", "s", cookie=True)
    with pytest.raises(Unauthenticated):
        extract(request((b"authorization", value)), realm)


def test_two_authorization_headers_are_refused(realm: IssuerConfig) -> None:
    with pytest.raises(BadRequest):
        extract(request((b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")), realm)


def test_the_session_cookie_stands_before_the_access_cookie(realm: IssuerConfig) -> None:
    assert extract(request(ALL_COOKIES), realm) == Credential("session", "s", cookie=True)
    assert extract(request((b"cookie", b"__Host-kt_access=a")), realm) == Credential("access", "a", cookie=True)


def test_the_refresh_cookie_is_no_credential_for_a_request(realm: IssuerConfig) -> None:
    refresh_only = request((b"cookie", b"__Host-kt_refresh=r"))
    assert extract(refresh_only, realm) is None
    assert read_cookie(refresh_only, "refresh", realm) == "r"


def test_a_tossed_cookie_is_refused(realm: IssuerConfig) -> None:
    with pytest.raises(BadRequest) as refused:
        extract(request((b"cookie", b"__Host-kt_session=a; __Host-kt_session=b")), realm)
    assert refused.value.hint.startswith("The cookie __Host-kt_session was sent more than once; delete the cookies")


@pytest.mark.conforms("RFC 6750 5.3")
def test_a_token_in_the_query_is_ignored(realm: IssuerConfig) -> None:
    assert extract(request(query="access_token=token"), realm) is None


def test_a_credential_is_masked() -> None:
    assert repr(Credential("access", "secret", cookie=True)) == "Credential(access, cookie=True)"

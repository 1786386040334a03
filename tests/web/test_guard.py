"""The guard: authentication of requests, and CSRF checks."""

import pytest

from keyturn.core.policy import BROWSER_STRICT
from keyturn.core.sealed import CredentialKind, seal
from keyturn.errors import StoreUnavailable, TokenInvalid, Unauthenticated
from keyturn.web.config import WebConfig, web_config
from keyturn.web.guard import require_service
from keyturn.web.message import Request
from web.browser import SERVICE_TOKEN, Browser, Make, bearer, document, set_cookies, text

SESSION = "__Host-kt_session"


@pytest.fixture
def strict(make: Make) -> Browser:
    found: Browser = make(BROWSER_STRICT)
    return found


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"origin": "https://auth.example.com"}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.example.net", "sec_fetch_site": "cross-site"}, 200),
    ],
)
def test_a_cookie_acts_for_its_own_origin_only(browser: Browser, headers: dict[str, str], status: int) -> None:
    browser.signup("cookie")
    assert browser.post("/auth/logout", **headers).status == status


def test_a_bearer_token_needs_no_origin(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    assert browser.post("/auth/logout", token=token, sec_fetch_site="cross-site").status == 200


def test_reading_is_safe_from_anywhere(browser: Browser) -> None:
    browser.signup("cookie")
    reply = browser.send("GET", "/auth/session", headers=[(b"sec-fetch-site", b"cross-site")])
    assert reply.status == 200


@pytest.mark.parametrize("deliver", ["cookie", "token-cookies"])
def test_the_strict_profile_asks_for_the_sessions_own_csrf_token(strict: Browser, deliver: str) -> None:
    csrf = text(strict.signup(deliver), "csrf_token")
    theirs = text(strict.other().signup("cookie", "eve@example.com"), "csrf_token")
    for wrong in ("", "x", theirs, csrf[:-1] + ("A" if csrf[-1] != "A" else "B"), "\u00ff"):
        reply = strict.post("/auth/logout", x_csrf_token=wrong)
        assert (document(reply)["code"], set_cookies(reply)) == ("csrf_token_required", {})
    assert document(strict.post("/auth/logout"))["code"] == "csrf_token_required"
    assert strict.post("/auth/logout", x_csrf_token=csrf).status == 200


def test_two_csrf_tokens_are_none(strict: Browser) -> None:
    csrf = text(strict.signup("cookie"), "csrf_token").encode()
    reply = strict.send("POST", "/auth/logout", headers=[(b"x-csrf-token", csrf), (b"x-csrf-token", csrf)])
    assert reply.status == 403


def test_only_the_csrf_token_of_this_seed_and_number_counts(strict: Browser) -> None:
    issued = strict.signup("cookie")
    found = strict.ports.sessions.load(text(issued, "sid"))
    realm = strict.site.issuer_config
    for counter, seed in ((1, found.session.seed), (0, b"another seed" * 3)):
        forged = seal(CredentialKind.CSRF, found.session.sid, counter, seed, realm.secrets).reveal()
        assert strict.post("/auth/logout", x_csrf_token=forged).status == 403


def test_a_csrf_token_of_a_vanished_session_is_none(strict: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    csrf = text(strict.signup("token-cookies"), "csrf_token")
    monkeypatch.setattr(type(strict.ports.sessions), "load", lambda *_: None)
    assert document(strict.post("/auth/logout", x_csrf_token=csrf))["code"] == "csrf_token_required"


def test_a_read_or_a_bearer_needs_no_csrf_token(strict: Browser) -> None:
    token = text(strict.signup("both"), "access_token")
    assert strict.get("/auth/session").status == 200
    assert strict.other().post("/auth/logout", token=token).status == 200


@pytest.mark.parametrize("kind", ["refresh_token", "csrf_token"])
def test_no_other_credential_is_an_access_token(browser: Browser, kind: str) -> None:
    token = text(browser.signup("both"), kind)
    assert browser.other().get("/auth/session", token).status == 401


def test_no_other_credential_is_a_session_cookie(browser: Browser) -> None:
    issued = document(browser.signup("both"))
    for member in ("access_token", "refresh_token", "csrf_token"):
        thief = browser.other()
        thief.cookies[SESSION] = str(issued[member])
        assert thief.get("/auth/session").status == 401
    assert browser.other().get("/auth/session", browser.cookies[SESSION]).status == 401


@pytest.mark.parametrize("cookie", ["kt_session_x", "a; __Host-kt_session=b"])
def test_a_bad_cookie_is_refused_and_not_cleared(browser: Browser, cookie: str) -> None:
    browser.cookies[SESSION] = cookie
    reply = browser.get("/auth/session")
    assert reply.status in (400, 401)
    assert set_cookies(reply) == {}


def test_an_unavailable_store_is_503_and_clears_no_cookie(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.signup("cookie")

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(browser.ports.sessions), "load", away)
    reply = browser.get("/auth/session")
    assert (reply.status, document(reply)["code"], set_cookies(reply)) == (503, "revocation_unknown", {})


def service_request(token: str | None) -> Request:
    return Request("GET", "/auth/revocations", headers=bearer(token))


def test_a_service_is_authenticated_by_its_token(browser: Browser) -> None:
    require_service(service_request(SERVICE_TOKEN), browser.site)
    with pytest.raises(Unauthenticated):
        require_service(service_request(None), browser.site)
    with pytest.raises(TokenInvalid):
        require_service(service_request(SERVICE_TOKEN + "x"), browser.site)


def test_without_service_tokens_no_token_is_one(browser: Browser) -> None:
    bare: WebConfig = web_config(browser.site.issuer_config)
    with pytest.raises(TokenInvalid):
        require_service(service_request("anything"), bare)

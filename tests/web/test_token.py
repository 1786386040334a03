"""The refresh grant, by body and by cookie."""

from dataclasses import replace

import pytest

from keyturn.core.policy import BROWSER_STRICT, MOBILE
from keyturn.errors import StoreUnavailable
from web.browser import ES256, PASSWORD, Browser, Make, document, header, set_cookies, text

REFRESH = "__Host-kt_refresh"
PHONE = replace(MOBILE, token=ES256.token)
GRANT = {"grant_type": "refresh_token"}


def refreshed(browser: Browser, token: str) -> dict[str, object]:
    return document(browser.form("/auth/token", GRANT | {"refresh_token": token}))


@pytest.mark.conforms("RFC 6749 6")
def test_a_refresh_answers_in_rfc_6749s_shape(browser: Browser) -> None:
    first = browser.signup("tokens")
    reply = browser.form("/auth/token", GRANT | {"refresh_token": text(first, "refresh_token")})
    assert reply.status == 200
    answer = document(reply)
    assert {"access_token", "token_type", "expires_in", "refresh_token"} <= answer.keys()
    assert (header(reply, b"cache-control"), header(reply, b"pragma")) == ("no-store", "no-cache")
    assert set_cookies(reply) == {}
    assert browser.get("/auth/session", str(answer["access_token"])).status == 200


def test_two_uses_at_once_get_the_same_successor(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "refresh_token")
    assert refreshed(browser, token)["refresh_token"] == refreshed(browser, token)["refresh_token"]


@pytest.mark.conforms("RFC 9700 4.14.2 (outside the grace window)")
def test_reuse_ends_the_session(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "refresh_token")
    newest = refreshed(browser, token)
    browser.now += 31
    assert (refreshed(browser, token)["error"], refreshed(browser, token)["code"]) == ("invalid_grant", "token_revoked")
    assert browser.get("/auth/session", str(newest["access_token"])).status == 401


@pytest.mark.conforms("RFC 9700 4.14.2 (a lost response)")
def test_the_mobile_profile_answers_a_retired_token_late_until_the_third_request(make: Make) -> None:
    browser = make(PHONE)
    token = text(browser.signup("tokens"), "refresh_token")
    lost = refreshed(browser, token)
    browser.now += 3600
    assert [refreshed(browser, token)["refresh_token"] for _ in range(2)] == [lost["refresh_token"]] * 2
    assert refreshed(browser, token)["code"] == "token_reused"


def test_a_blocked_refresh_token_is_an_invalid_grant_until_the_step_up(make: Make) -> None:
    browser = make(replace(PHONE, session=replace(PHONE.session, repeat_limit=1, repeat_action="step_up")))
    first = browser.signup("tokens")
    token = text(first, "refresh_token")
    refreshed(browser, token)
    refusal = browser.form("/auth/token", GRANT | {"refresh_token": token})
    answer = document(refusal)
    assert (refusal.status, answer["error"], answer["code"]) == (400, "invalid_grant", "step_up_required")
    stepped = browser.post("/auth/step-up", {"password": PASSWORD}, text(first, "access_token"))
    assert stepped.status == 200


def test_under_token_cookies_the_cookie_is_the_grant(browser: Browser) -> None:
    browser.signup("token-cookies")
    before = browser.cookies[REFRESH]
    reply = browser.form("/auth/token", GRANT)
    assert reply.status == 200
    assert set_cookies(reply).keys() == {"__Host-kt_access", REFRESH}
    assert "refresh_token" not in document(reply)
    assert browser.cookies[REFRESH] != before
    assert browser.get("/auth/session").status == 200


def test_another_site_cannot_rotate_the_cookie(browser: Browser) -> None:
    browser.signup("token-cookies")
    reply = browser.form("/auth/token", GRANT, sec_fetch_site="cross-site")
    assert (reply.status, document(reply)["code"], set_cookies(reply)) == (403, "cross_origin", {})


def test_a_strict_policy_requires_the_csrf_token_for_a_cookie_refresh(make: Make) -> None:
    browser = make(BROWSER_STRICT)
    csrf = text(browser.signup("token-cookies"), "csrf_token")
    assert document(browser.form("/auth/token", GRANT))["code"] == "csrf_token_required"
    assert browser.form("/auth/token", GRANT, x_csrf_token=csrf).status == 200


def test_a_refused_refresh_clears_no_cookie(browser: Browser) -> None:
    browser.signup("token-cookies")
    good = browser.cookies[REFRESH]
    browser.cookies[REFRESH] = good[:-1] + ("A" if good[-1] != "A" else "B")
    reply = browser.form("/auth/token", GRANT)
    assert (reply.status, document(reply)["error"], set_cookies(reply)) == (400, "invalid_grant", {})


@pytest.mark.parametrize(
    ("fields", "error", "member"),
    [
        ({}, "invalid_request", "grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type", None),
        (GRANT, "invalid_request", "refresh_token"),
    ],
)
def test_a_missing_field_is_named_in_the_reply(
    browser: Browser, fields: dict[str, str], error: str, member: str | None
) -> None:
    reply = browser.form("/auth/token", fields)
    assert (reply.status, document(reply)["error"], document(reply).get("member")) == (400, error, member)


def test_a_realm_of_sessions_grants_no_tokens(make: Make) -> None:
    browser = make(credentials="session")
    reply = browser.form("/auth/token", GRANT | {"refresh_token": "kt_refresh_x"})
    assert (reply.status, document(reply)["error"]) == (400, "unauthorized_client")


def test_an_unavailable_store_is_503(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    token = text(browser.signup("tokens"), "refresh_token")

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(browser.ports.sessions), "load", away)
    reply = browser.form("/auth/token", GRANT | {"refresh_token": token})
    assert (reply.status, document(reply)["error"], header(reply, b"retry-after")) == (
        503,
        "temporarily_unavailable",
        "1",
    )

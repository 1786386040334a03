"""Signup and login over HTTP, in every delivery."""

from dataclasses import replace

import pytest

from keyturn.core.audit import AuditEventType
from keyturn.core.policy import MOBILE
from keyturn.core.revocation import RevocationKind
from keyturn.errors import StoreUnavailable
from web.browser import EMAIL, ES256, PASSWORD, START, Browser, Make, document, header, set_cookies, text

SESSION, ACCESS, REFRESH, DEVICE = (f"__Host-kt_{role}" for role in ("session", "access", "refresh", "device"))
COOKIES = {
    "cookie": {SESSION, DEVICE},
    "tokens": set[str](),
    "both": {SESSION, DEVICE},
    "token-cookies": {ACCESS, REFRESH, DEVICE},
}
MEMBERS = {
    "cookie": {"csrf_token"},
    "tokens": {"access_token", "token_type", "expires_in", "refresh_token"},
    "both": {"access_token", "token_type", "expires_in", "refresh_token", "csrf_token"},
    "token-cookies": {"expires_in", "csrf_token"},
}


@pytest.mark.parametrize("deliver", COOKIES)
def test_every_delivery_hands_out_exactly_its_credentials(browser: Browser, deliver: str) -> None:
    browser.signup()
    for reply, status in (
        (browser.other().signup(deliver, "bob@example.com"), 201),
        (browser.other().login(deliver), 200),
    ):
        assert reply.status == status
        assert set_cookies(reply).keys() == COOKIES[deliver]
        assert document(reply).keys() == {"subject", "sid", "session_expires_at"} | MEMBERS[deliver]
        assert header(reply, b"cache-control") == "no-store"


def test_the_first_delivery_of_the_realm_is_the_default(make: Make) -> None:
    assert SESSION in set_cookies(make().signup())
    assert "access_token" in document(make(credentials="jwt").signup())


@pytest.mark.conforms("ASVS 3.3.2", "NIST SP 800-63B-4 5.1.1")
def test_cookies_are_pinned_and_live_as_long_as_the_session(browser: Browser) -> None:
    seconds = browser.site.issuer_config.profile.session.overall_seconds
    attributes = set_cookies(browser.signup())[SESSION].partition("; ")[2]
    assert attributes == f"Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def test_a_login_says_when_it_ends(browser: Browser) -> None:
    answer = document(browser.signup("tokens"))
    assert answer["session_expires_at"] == START + browser.site.issuer_config.profile.session.overall_seconds
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 600)


def test_a_delivery_that_is_not_offered_is_refused(make: Make) -> None:
    reply = make(credentials="session").signup("tokens")
    assert (reply.status, document(reply)["code"]) == (422, "credentials_not_offered")


def test_an_unknown_delivery_is_an_invalid_member(browser: Browser) -> None:
    assert document(browser.signup("pigeon"))["member"] == "deliver"


def test_an_account_exists_once(browser: Browser) -> None:
    browser.signup()
    assert document(browser.other().signup())["code"] == "account_exists"


def test_a_weak_password_is_refused_with_a_reason(browser: Browser) -> None:
    reply = browser.post("/auth/signup", {"email": EMAIL, "password": "short"})
    assert reply.status == 422
    assert "15 characters" in text(reply, "reason")


def test_a_wrong_password_and_an_unknown_account_answer_alike(browser: Browser) -> None:
    browser.signup()
    wrong = browser.other().post("/auth/login", {"email": EMAIL, "password": PASSWORD + "x"})
    unknown = browser.other().post("/auth/login", {"email": "eve@example.com", "password": PASSWORD})
    assert (wrong.status, wrong.headers, wrong.body) == (unknown.status, unknown.headers, unknown.body)
    assert header(wrong, b"www-authenticate") == "Bearer"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
def test_another_site_cannot_log_a_browser_in(browser: Browser, path: str) -> None:
    body = {"email": EMAIL, "password": PASSWORD}
    assert browser.post(path, body, sec_fetch_site="cross-site").status == 403
    assert browser.post(path, body, origin="https://evil.example").status == 403


def test_a_trusted_origin_may(browser: Browser) -> None:
    body = {"email": EMAIL, "password": PASSWORD}
    reply = browser.post("/auth/signup", body, sec_fetch_site="cross-site", origin="https://app.example.net")
    assert reply.status == 201


def test_a_second_login_ends_the_session_it_replaces(browser: Browser) -> None:
    browser.signup("cookie")
    first = dict(browser.cookies)
    second = browser.login("cookie")
    assert second.status == 200
    assert document(browser.get("/auth/session"))["sid"] == document(second)["sid"]
    stale = browser.other()
    stale.cookies = first
    assert document(stale.get("/auth/session"))["code"] == "token_revoked"


def test_a_login_of_another_kind_takes_the_replaced_cookies_away(browser: Browser) -> None:
    browser.signup("cookie")
    assert set_cookies(browser.login("token-cookies"))[SESSION].startswith("; Path=/; Max-Age=0")
    refresh = browser.cookies[REFRESH]
    cleared = set_cookies(browser.login("cookie"))
    assert all(cleared[name].startswith("; Path=/; Max-Age=0") for name in (ACCESS, REFRESH))
    assert browser.cookies.keys() == {SESSION, DEVICE}
    fields = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert document(browser.other().form("/auth/token", fields))["code"] == "token_revoked"


def test_tokens_replace_no_cookie(browser: Browser) -> None:
    browser.signup("cookie")
    assert set_cookies(browser.login("tokens")) == {}
    assert browser.get("/auth/session").status == 200


@pytest.mark.parametrize("deliver", COOKIES)
def test_a_login_above_the_limit_of_sessions_is_refused(make: Make, deliver: str) -> None:
    session = replace(ES256.session, session_limit=1, session_limit_action="refuse")
    browser = make(replace(ES256, session=session))
    tokens = document(browser.signup("both"))
    reply = browser.other().login(deliver)
    assert (reply.status, document(reply)["code"]) == (409, "too_many_sessions")
    assert set_cookies(reply) == {}
    fields = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    assert browser.other().form("/auth/token", fields).status == 200
    assert browser.get("/auth/session").status == 200
    # The same browser logs in again: its session is replaced, except by a login for tokens.
    assert browser.login(deliver).status == (409 if deliver == "tokens" else 200)


def test_a_login_above_the_limit_of_sessions_ends_the_oldest(make: Make) -> None:
    browser = make(replace(ES256, session=replace(ES256.session, session_limit=2)))
    browser.signup("cookie")
    later = [browser.other(), browser.other()]
    assert [each.login("cookie").status for each in later] == [200, 200]
    assert document(browser.get("/auth/session"))["code"] == "token_revoked"
    assert [each.get("/auth/session").status for each in later] == [200, 200]


def test_a_failed_login_ends_no_session(browser: Browser) -> None:
    browser.signup("cookie")
    reply = browser.post("/auth/login", {"email": EMAIL, "password": "wrong " + PASSWORD})
    assert (reply.status, set_cookies(reply)) == (401, {})
    assert browser.get("/auth/session").status == 200


def test_a_login_succeeds_in_spite_of_forged_cookies(browser: Browser) -> None:
    browser.signup("cookie")
    body = {"email": EMAIL, "password": PASSWORD}
    for cookie in (f"{SESSION}=kt_session_forged", f"{SESSION}=a; {SESSION}=b"):
        assert browser.other().post("/auth/login", body, cookie=cookie).status == 200
    revoked = [entry for entry in browser.ports.log.snapshot().entries if entry.kind is RevocationKind.SESSION]
    assert revoked == []


def test_a_login_succeeds_if_the_previous_session_cannot_be_read(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.signup("cookie")

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(browser.ports.sessions), "load", away)
    assert SESSION in set_cookies(browser.login("cookie"))


def test_the_device_list_shows_a_trimmed_agent_and_the_address(browser: Browser) -> None:
    browser.signup("cookie")
    browser.login("cookie", user_agent="\tMozilla\x00 <b>é" + "x" * 500)
    (shown,) = document(browser.get("/auth/sessions"))["sessions"]  # type: ignore[misc]
    assert shown["label"] == ("Mozilla <b>" + "x" * 500)[:120]
    assert shown["address"] == "192.0.2.7"


@pytest.mark.parametrize("client_id", ["", "a b", "a\n", "x" * 65, 7])
def test_a_client_id_is_a_plain_word(browser: Browser, client_id: object) -> None:
    reply = browser.post("/auth/signup", {"email": EMAIL, "password": PASSWORD, "client_id": client_id})
    assert document(reply)["member"] == "client_id"


def test_a_client_names_itself(browser: Browser) -> None:
    browser.post("/auth/signup", {"email": EMAIL, "password": PASSWORD, "client_id": "ios-app.2"})
    assert document(browser.get("/auth/session"))["client_id"] == "ios-app.2"


def test_a_known_device_has_its_own_throttle_bucket(browser: Browser) -> None:
    browser.signup("cookie")
    stranger = browser.other()
    wrong = {"email": EMAIL, "password": "wrong " + PASSWORD}
    while (reply := stranger.post("/auth/login", wrong)).status == 401:
        pass
    assert reply.status == 429
    assert int(header(reply, b"retry-after") or 0) > 0
    assert browser.login("cookie").status == 200


def test_the_max_age_of_a_cookie_is_capped_at_400_days(make: Make) -> None:
    day = 24 * 60 * 60
    profile = replace(MOBILE, session=replace(MOBILE.session, overall_seconds=1000 * day))
    assert f"Max-Age={400 * day};" in set_cookies(make(profile).signup())[SESSION]


def test_a_login_is_audited_with_its_address(browser: Browser) -> None:
    reply = browser.signup()
    events = browser.ports.audit.recent(text(reply, "subject"), 10)
    assert [(each.event, each.address) for each in events if each.event is AuditEventType.LOGIN] == [
        (AuditEventType.LOGIN, "192.0.2.7")
    ]

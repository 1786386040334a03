"""The principal, the device list, and the ends of sessions."""

from typing import cast

import pytest

from keyturn.core.types import Instant
from web.browser import START, Browser, document, set_cookies, text

SESSION, ACCESS, REFRESH = (f"__Host-kt_{role}" for role in ("session", "access", "refresh"))
CLEARED = {SESSION, ACCESS, REFRESH}


def test_the_principal_is_the_same_by_cookie_and_by_bearer(browser: Browser) -> None:
    issued = document(browser.signup("both"))
    by_cookie = document(browser.get("/auth/session"))
    by_bearer = document(browser.other().get("/auth/session", str(issued["access_token"])))
    same = {"subject", "sid", "client_id", "auth_time", "acr", "amr", "scope"}
    assert {name: by_cookie[name] for name in same} == {name: by_bearer[name] for name in same}
    assert (by_cookie["sid"], by_cookie["auth_time"]) == (issued["sid"], START)
    assert (by_cookie["credential"], by_bearer["credential"]) == ("session", "access")
    assert by_bearer["credential_expires_at"] == START + 600


def test_the_csrf_token_is_returned_to_cookie_sessions_only(browser: Browser) -> None:
    issued = document(browser.signup("both"))
    assert document(browser.get("/auth/session"))["csrf_token"] == issued["csrf_token"]
    assert "csrf_token" not in document(browser.get("/auth/session", str(issued["access_token"])))


def test_a_vanished_session_has_no_csrf_token(browser: Browser) -> None:
    browser.signup("token-cookies")
    browser.ports.sessions.purge(Instant(START * 2))
    assert document(browser.get("/auth/session"))["code"] == "token_revoked"


def test_a_request_without_credentials_is_401(browser: Browser) -> None:
    for method, path in (("GET", "/auth/session"), ("GET", "/auth/sessions"), ("POST", "/auth/logout")):
        assert document(browser.send(method, path))["code"] == "unauthenticated"


@pytest.mark.conforms("ASVS 7.5.2 (viewing)")
def test_the_device_list_shows_every_login_and_no_credential(browser: Browser) -> None:
    browser.signup("cookie")
    phone = browser.other()
    tokens = document(phone.login("tokens"))
    reply = browser.get("/auth/sessions")
    assert b"kt_" not in reply.body
    shown = document(reply)["sessions"]
    assert isinstance(shown, list)
    assert sorted(each["current"] for each in shown) == [False, True]
    assert shown[0].keys() == {
        "sid",
        "current",
        "client_id",
        "label",
        "address",
        "created_at",
        "last_seen_at",
        "idle_expires_at",
        "session_expires_at",
    }
    by_phone = document(phone.get("/auth/sessions", str(tokens["access_token"])))["sessions"]
    assert [each["sid"] for each in by_phone if each["current"]] == [tokens["sid"]]  # type: ignore[union-attr]


def test_the_device_list_is_read_a_page_at_a_time(browser: Browser) -> None:
    browser.signup("cookie")
    sids = {document(browser.get("/auth/session"))["sid"]} | {
        document(browser.other().login("tokens"))["sid"] for _ in range(4)
    }
    read, path = [], "/auth/sessions?limit=2"
    while path:
        page = document(browser.get(path))
        read.append([each["sid"] for each in cast("list[dict[str, str]]", page["sessions"])])
        after = cast("str", page.get("next", ""))
        assert not any(sid in after for sid in cast("set[str]", sids)), "a cursor names no session"
        path = f"/auth/sessions?limit=2&after={after}" if after else ""
    assert [len(each) for each in read] == [2, 2, 1]
    assert {sid for each in read for sid in each} == sids
    for query in ("", "?limit=5", "?limit=1000", "?unknown=1", "?after=&limit="):
        assert document(browser.get(f"/auth/sessions{query}")).keys() == {"sessions"}


@pytest.mark.parametrize(
    ("query", "member"),
    [
        *((f"limit={each}", "limit") for each in ("0", "-1", "1001", "x", "1.5", "true")),
        *((f"after={each}", "after") for each in ("x", "1", "1-", "-1-0123456789abcdef", f"{START}-0123456789ABCDEF")),
        (f"after={'9' * 13}-0123456789abcdef", "after"),
        (f"after={START}-0123456789abcdef0", "after"),
        ("after=%EF%BC%91-0123456789abcdef", "after"),
        ("limit=1&limit=2", None),
        ("after=%", None),
    ],
)
def test_an_unusable_page_is_refused(browser: Browser, query: str, member: str | None) -> None:
    browser.signup("cookie")
    reply = browser.get(f"/auth/sessions?{query}")
    assert reply.status == 400
    assert document(reply).get("member") == member


def test_logout_ends_the_session_and_only_then_its_cookies(browser: Browser) -> None:
    browser.signup("cookie")
    before = dict(browser.cookies)
    reply = browser.post("/auth/logout")
    assert document(reply) == {"revoked": True, "sequence": 1, "within_seconds": 5}
    assert set_cookies(reply).keys() == CLEARED
    browser.cookies = before
    again = browser.post("/auth/logout")
    assert (again.status, set_cookies(again)) == (401, {})


def test_a_logout_by_bearer_token_does_not_change_cookies(browser: Browser) -> None:
    tokens = document(browser.signup("tokens"))
    browser.login("cookie")
    reply = browser.post("/auth/logout", token=str(tokens["access_token"]))
    assert (reply.status, set_cookies(reply)) == (200, {})
    assert browser.get("/auth/session").status == 200


@pytest.mark.conforms("ASVS 7.4.1", "NIST SP 800-63B-4 5.1")
def test_logout_all_ends_cookies_and_tokens_alike(browser: Browser) -> None:
    browser.signup("cookie")
    tokens = document(browser.other().login("tokens"))
    reply = browser.post("/auth/logout-all")
    assert document(reply)["revoked"] is True
    assert set_cookies(reply).keys() == CLEARED
    assert browser.get("/auth/session", str(tokens["access_token"])).status == 401


def test_logout_others_ends_every_session_but_that_of_the_request(browser: Browser) -> None:
    browser.signup("cookie")
    phone, bob = browser.other(), browser.other()
    tokens = document(phone.login("tokens"))
    bob.signup("cookie", "bob@example.com")
    reply = browser.post("/auth/logout-others")
    assert (reply.status, set_cookies(reply)) == (200, {})
    assert document(reply) == {"revoked": True, "sequence": 1, "within_seconds": 5}
    assert document(phone.get("/auth/session", str(tokens["access_token"])))["code"] == "token_revoked"
    refresh = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    assert document(phone.form("/auth/token", refresh))["code"] == "token_revoked"
    assert (browser.get("/auth/session").status, bob.get("/auth/session").status) == (200, 200)


def test_logout_others_by_bearer_token_needs_a_refresh_afterwards(browser: Browser) -> None:
    tokens = document(browser.signup("tokens"))
    other = browser.other()
    other.login("cookie")
    assert browser.post("/auth/logout-others", token=str(tokens["access_token"])).status == 200
    assert other.get("/auth/session").status == 401
    assert browser.get("/auth/session", str(tokens["access_token"])).status == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    renewed = text(browser.form("/auth/token", refresh), "access_token")
    assert browser.get("/auth/session", renewed).status == 200


def test_logout_others_of_an_ended_session_ends_nothing(browser: Browser) -> None:
    browser.signup("cookie")
    ended, other = dict(browser.cookies), browser.other()
    other.login("cookie")
    browser.post("/auth/logout")
    browser.cookies = ended
    assert browser.post("/auth/logout-others").status == 401
    assert other.get("/auth/session").status == 200


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all", "/auth/logout-others"])
def test_a_cross_site_logout_is_refused(browser: Browser, path: str) -> None:
    browser.signup("cookie")
    reply = browser.post(path, sec_fetch_site="cross-site")
    assert (reply.status, set_cookies(reply)) == (403, {})
    assert browser.get("/auth/session").status == 200


def test_a_device_of_ones_own_can_be_ended(browser: Browser) -> None:
    browser.signup("cookie")
    phone = browser.other()
    tokens = document(phone.login("tokens"))
    reply = browser.send("DELETE", f"/auth/sessions/{tokens['sid']}")
    assert (reply.status, set_cookies(reply)) == (200, {})
    assert phone.get("/auth/session", str(tokens["access_token"])).status == 401


def test_ending_ones_own_session_takes_its_cookies(browser: Browser) -> None:
    sid = text(browser.signup("cookie"), "sid")
    assert set_cookies(browser.send("DELETE", f"/auth/sessions/{sid}")).keys() == CLEARED


def test_another_users_session_and_an_unknown_one_are_both_404(browser: Browser) -> None:
    browser.signup("cookie")
    theirs = text(browser.other().signup("cookie", "bob@example.com"), "sid")
    other = browser.send("DELETE", f"/auth/sessions/{theirs}")
    none = browser.send("DELETE", "/auth/sessions/" + "A" * 22)
    assert (other.status, other.body) == (none.status, none.body) == (404, none.body)

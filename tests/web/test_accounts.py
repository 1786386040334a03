"""Administrators of Keyturn disable and enable accounts over HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.policy import BROWSER_STRICT
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.flows.accounts import set_admin
from keyturn.flows.administrators import ADMIN_AUTH_SECONDS
from keyturn.flows.drive import drive
from web.browser import EMAIL, ES256, PASSWORD, Browser, Make, document, header, set_cookies, text

BOB = "bob@example.com"
DISABLE, ENABLE = "/auth/accounts/disable", "/auth/accounts/enable"


def appoint(browser: Browser, subject: str, is_admin: bool = True) -> None:
    drive(set_admin(Subject(subject), is_admin, browser.now, browser.site.issuer_config), browser.ports)


@pytest.fixture
def admin(browser: Browser) -> Browser:
    appoint(browser, text(browser.signup("cookie"), "subject"))
    return browser


@pytest.fixture
def bob(admin: Browser) -> Browser:
    other = admin.other()
    other.signup("both", BOB)
    return other


def subject_of(browser: Browser) -> str:
    return text(browser.get("/auth/session"), "subject")


def log_in(browser: Browser) -> int:
    return browser.other().post("/auth/login", {"email": BOB, "password": PASSWORD}).status


@pytest.mark.parametrize("name", ["subject", "email"])
def test_an_administrator_disables_and_enables_an_account(admin: Browser, bob: Browser, name: str) -> None:
    subject = subject_of(bob)
    body = {name: subject if name == "subject" else " Bob@example.com"}
    reply = admin.post(DISABLE, body)
    answer = {"subject": subject, "disabled": True, "sequence": 1, "within_seconds": 5}
    assert (reply.status, document(reply), set_cookies(reply)) == (200, answer, {})
    assert header(reply, b"cache-control") == "no-store"
    assert (bob.get("/auth/session").status, log_in(bob)) == (401, 401)
    assert document(admin.post(ENABLE, body)) == answer | {"disabled": False, "sequence": 2}
    assert (bob.get("/auth/session").status, log_in(bob)) == (401, 200)
    assert admin.get("/auth/session").status == 200


def test_the_audit_log_names_the_administrator(admin: Browser, bob: Browser) -> None:
    subject, session = subject_of(bob), document(admin.get("/auth/session"))
    admin.post(DISABLE, {"email": BOB})
    admin.post(ENABLE, {"email": BOB})
    events = admin.ports.audit.recent(Subject(subject), 2)
    assert [each.event.value for each in events] == ["account_enabled", "account_disabled"]
    said = f"by {session['subject']} in session {session['sid']}"
    assert [(each.detail, each.address) for each in events] == [(said, admin.address)] * 2


def test_another_account_administers_nothing(admin: Browser, bob: Browser) -> None:
    body = {"subject": subject_of(admin)}
    for path in (DISABLE, ENABLE):
        assert document(bob.post(path, body))["code"] == "forbidden"
        assert document(bob.post(path, {"subject": "nobody"}))["code"] == "forbidden"
        assert document(bob.post(path, "no object"))["code"] == "forbidden"
        assert document(bob.other().post(path, body))["code"] == "unauthenticated"
    assert admin.get("/auth/session").status == 200


def test_a_right_that_was_taken_away_counts_at_once(admin: Browser, bob: Browser) -> None:
    token = text(admin.other().login("tokens"), "access_token")
    assert admin.other().post(ENABLE, {"email": BOB}, token).status == 200
    appoint(admin, subject_of(admin), is_admin=False)
    assert document(admin.post(DISABLE, {"email": BOB}))["code"] == "forbidden"
    assert document(admin.other().post(DISABLE, {"email": BOB}, token))["code"] == "forbidden"
    assert log_in(bob) == 200


def test_no_scope_gives_the_right(make: Make) -> None:
    browser = make(grants=lambda _: ("admin is_admin", {"is_admin": True}))
    browser.signup("cookie")
    assert document(browser.post(DISABLE, {"email": EMAIL}))["code"] == "forbidden"


def test_an_administrator_who_logged_in_long_ago_must_confirm_the_password(admin: Browser, bob: Browser) -> None:
    admin.now = Instant(admin.now + ADMIN_AUTH_SECONDS)
    assert admin.post(ENABLE, {"email": BOB}).status == 200
    admin.now = Instant(admin.now + 1)
    refused = admin.post(DISABLE, {"email": BOB})
    assert (refused.status, document(refused)["code"]) == (403, "step_up_required")
    assert log_in(bob) == 200
    assert admin.post("/auth/step-up", {"password": PASSWORD}).status == 200
    assert admin.post(DISABLE, {"email": BOB}).status == 200


def test_an_ended_session_administers_nothing_while_its_token_is_still_cached(admin: Browser, bob: Browser) -> None:
    phone = admin.other()
    tokens = document(phone.login("tokens"))
    stored = admin.ports.sessions.load(SessionId(str(tokens["sid"])))
    assert stored
    # Ended in the store by another process, whose revocation has not arrived here.
    ended = replace(stored.session, ended_at=admin.now, version=stored.session.version + 1)
    assert admin.ports.sessions.replace(ended) == 0
    token = str(tokens["access_token"])
    assert phone.get("/auth/session", token).status == 200
    assert document(phone.post(DISABLE, {"email": BOB}, token))["code"] == "token_revoked"
    assert log_in(bob) == 200


def test_a_disabled_or_deleted_administrator_administers_nothing(admin: Browser, bob: Browser) -> None:
    subject = Subject(subject_of(admin))
    accounts: Any = admin.ports.accounts
    account = accounts.load(subject)
    assert accounts.replace(replace(account, disabled=True, version=account.version + 1))
    assert document(admin.post(DISABLE, {"email": BOB}))["code"] == "forbidden"
    del accounts._accounts[subject]
    assert document(admin.post(DISABLE, {"email": BOB}))["code"] == "forbidden"
    assert log_in(bob) == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_member"),
        ({"subject": None, "email": None}, "invalid_member"),
        ({"subject": "x", "email": BOB}, "invalid_member"),
        ({"subject": ""}, "invalid_member"),
        ({"subject": True}, "invalid_member"),
        ({"subject": 1.5}, "invalid_member"),
        ({"subject": "x" * 256}, "invalid_member"),
        ({"email": "no address"}, "invalid_member"),
        ([], "invalid_member"),
        ({"subject": "nobody"}, "not_found"),
        ({"email": "nobody@example.com"}, "not_found"),
    ],
)
def test_a_bad_request_of_an_administrator_is_refused(admin: Browser, body: object, code: str) -> None:
    for path in (DISABLE, ENABLE):
        assert document(admin.post(path, body))["code"] == code
    assert admin.get("/auth/session").status == 200


@pytest.mark.parametrize("path", [DISABLE, ENABLE])
def test_another_site_cannot_use_the_cookie_of_an_administrator(admin: Browser, bob: Browser, path: str) -> None:
    assert document(admin.post(path, {"email": BOB}, sec_fetch_site="cross-site"))["code"] == "cross_origin"
    assert admin.form(path, {"email": BOB}, sec_fetch_site="same-origin").status == 415
    assert log_in(bob) == 200


def test_the_strict_profile_asks_for_a_csrf_token(make: Make) -> None:
    browser = make(replace(BROWSER_STRICT, token=ES256.token))
    issued = document(browser.signup("cookie"))
    appoint(browser, str(issued["subject"]))
    browser.other().signup("tokens", BOB)
    assert document(browser.post(DISABLE, {"email": BOB}))["code"] == "csrf_token_required"
    assert browser.post(DISABLE, {"email": BOB}, x_csrf_token=str(issued["csrf_token"])).status == 200

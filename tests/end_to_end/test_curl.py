"""The main job by curl, as two kinds of client would do it: a cookie jar, and tokens in hand."""

import time
from pathlib import Path

import jwt
import pytest

from end_to_end.curl import Curl, bearer
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

TRIES = 12
"""Requests enough that both workers have answered one."""

PATIENCE_SECONDS = 30.0


def test_a_browser_signs_up_logs_in_looks_around_and_logs_out(browser: Curl, ada: dict[str, str]) -> None:
    assert browser.post("/auth/signup", {"email": "grace" + ada["email"], "password": PASSWORD}).status == 201
    login = browser.post("/auth/login", ada)
    assert login.status == 200
    assert login.headers["cache-control"] == ["no-store"]
    session = browser("/auth/session")
    assert session.status == 200
    assert (session.json["sid"], session.json["credential"]) == (login.json["sid"], "session")
    listed = browser("/auth/sessions").json["sessions"]
    assert [each["sid"] for each in listed if each["current"]] == [login.json["sid"]]
    assert len(listed) == 2
    assert "kt_" not in str(listed)
    logout = browser("/auth/logout", "-X", "POST")
    assert logout.json["revoked"] is True
    assert "kt_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" in logout.headers["set-cookie"]
    ended = browser("/auth/session")
    # Some curls read the jar again before they write it, and so keep a cookie they were told to drop.
    assert (ended.status, ended.code) in {(401, "unauthenticated"), (401, "token_revoked")}
    assert ended.headers["www-authenticate"][0].startswith("Bearer")


def test_a_cookie_stolen_before_the_logout_is_refused(browser: Curl, ada: dict[str, str], tmp_path: Path) -> None:
    browser.post("/auth/login", ada)
    thief = Curl(browser.url, tmp_path / "stolen")
    (tmp_path / "stolen").write_bytes((tmp_path / "jar").read_bytes())
    assert thief("/auth/session").status == 200
    browser("/auth/logout", "-X", "POST")
    assert refusals(thief) == {(401, "token_revoked")}


def test_the_session_cookie_is_httponly_secure_and_host_only(browser: Curl, ada: dict[str, str]) -> None:
    cookies = browser.post("/auth/login", ada).headers["set-cookie"]
    session = next(each for each in cookies if each.startswith("kt_session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(session.split("; "))
    assert "Domain" not in session


def test_a_mobile_client_logs_in_calls_and_refreshes(mobile: Curl, ada: dict[str, str]) -> None:
    issued = mobile.post("/auth/login", {**ada, "deliver": "tokens"})
    assert "set-cookie" not in issued.headers
    assert (issued.json["token_type"], issued.json["expires_in"]) == ("Bearer", 600)
    called = mobile("/auth/session", *bearer(issued.json["access_token"]))
    assert (called.status, called.json["credential"]) == (200, "access")
    first = mobile.refresh(issued.json["refresh_token"])
    again = mobile.refresh(issued.json["refresh_token"])
    assert first.status == again.status == 200
    # The answer to the first was lost on the way: the second holds the very same successor.
    assert first.json["refresh_token"] == again.json["refresh_token"] != issued.json["refresh_token"]
    assert mobile("/auth/session", *bearer(first.json["access_token"])).json["sid"] == issued.json["sid"]


@pytest.mark.conforms("ASVS 10.4.5 (outside the grace window)", "RFC 9700 4.14.2 (outside the grace window)")
def test_a_retired_refresh_token_ends_its_session_everywhere(mobile: Curl, ada: dict[str, str]) -> None:
    tokens = [mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json]
    for _ in range(2):
        tokens.append(mobile.refresh(tokens[-1]["refresh_token"]).json)
    # Two behind: retired, whatever the grace window.
    reused = mobile.refresh(tokens[0]["refresh_token"])
    assert (reused.status, reused.json["error"], reused.code) == (400, "invalid_grant", "token_reused")
    assert mobile.refresh(tokens[-1]["refresh_token"]).code == "token_revoked"
    assert refusals(mobile, *bearer(tokens[-1]["access_token"])) == {(401, "token_revoked")}


def test_without_a_grace_window_the_second_use_is_reuse(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", refresh_grace_seconds="0") as server:
        mobile = Curl(server.url)
        account = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        issued = mobile.post("/auth/signup", account).json
        successor = mobile.refresh(issued["refresh_token"]).json
        wait_for_the_next_second(successor["access_token"])
        assert mobile.refresh(issued["refresh_token"]).code == "token_reused"
        assert mobile.refresh(successor["refresh_token"]).code == "token_revoked"


@pytest.mark.conforms("ASVS 7.4.1")
def test_revoking_all_ends_cookies_and_tokens_on_every_worker(browser: Curl, mobile: Curl, ada: dict[str, str]) -> None:
    browser.post("/auth/login", ada)
    issued = mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json
    revoked = browser("/auth/logout-all", "-X", "POST").json
    assert revoked["within_seconds"] == 5
    assert browser("/auth/session").status == 401
    assert refusals(mobile, *bearer(issued["access_token"])) == {(401, "token_revoked")}
    assert mobile.refresh(issued["refresh_token"]).code == "token_revoked"
    refused = mobile("/auth/session", *bearer(issued["access_token"]))
    assert 'error="invalid_token"' in refused.headers["www-authenticate"][0]


def test_both_credentials_are_one_session_and_end_as_one(browser: Curl, mobile: Curl, ada: dict[str, str]) -> None:
    issued = browser.post("/auth/login", {**ada, "deliver": "both"}).json
    by_token = mobile("/auth/session", *bearer(issued["access_token"])).json
    assert browser("/auth/session").json["sid"] == by_token["sid"] == issued["sid"]
    ended = mobile(f"/auth/sessions/{issued['sid']}", "-X", "DELETE", *bearer(issued["access_token"]))
    assert ended.status == 200
    assert refusals(browser) == {(401, "token_revoked")}
    assert mobile("/auth/session", *bearer(issued["access_token"])).code == "token_revoked"


def test_tokens_in_cookies_are_refreshed_from_cookies(browser: Curl, ada: dict[str, str]) -> None:
    issued = browser.post("/auth/login", {**ada, "deliver": "token-cookies"})
    assert "access_token" not in issued.json
    assert "refresh_token" not in issued.json
    assert browser("/auth/session").json["credential"] == "access"
    before = browser.jar.read_text() if browser.jar else ""
    assert browser.form("/auth/token", grant_type="refresh_token").status == 200
    after = browser.jar.read_text() if browser.jar else ""
    assert before != after
    assert browser("/auth/session").json["sid"] == issued.json["sid"]
    assert browser("/auth/logout", "-X", "POST").status == 200
    # curl 7.88 keeps one of several cookies that a response deletes: the other worker may not have read the end yet.
    assert {status for status, _ in refusals(browser)} == {401}


def test_a_step_up_renews_the_cookie_and_voids_the_one_before(
    browser: Curl, ada: dict[str, str], tmp_path: Path
) -> None:
    browser.post("/auth/login", ada)
    (tmp_path / "old").write_bytes((tmp_path / "jar").read_bytes())
    assert browser.post("/auth/step-up", {"password": "wrong " + PASSWORD}).code == "login_failed"
    assert browser.post("/auth/step-up", {"password": PASSWORD}).status == 200
    assert {browser("/auth/session").status for _ in range(TRIES)} == {200}
    assert refusals(Curl(browser.url, tmp_path / "old")) == {(401, "token_revoked")}


def test_a_password_change_ends_every_other_session(browser: Curl, mobile: Curl, ada: dict[str, str]) -> None:
    browser.post("/auth/login", ada)
    issued = mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json
    changed = browser.post("/auth/password", {"current_password": PASSWORD, "new_password": PASSWORD + " and wind"})
    assert changed.status == 200
    assert {browser("/auth/session").status for _ in range(TRIES)} == {200}
    assert refusals(mobile, *bearer(issued["access_token"])) == {(401, "token_revoked")}
    assert mobile.refresh(issued["refresh_token"]).code == "token_revoked"
    assert mobile.post("/auth/login", ada).code == "login_failed"
    assert mobile.post("/auth/login", {**ada, "password": PASSWORD + " and wind"}).status == 200


def test_a_service_introspects_and_a_holder_revokes(server: ServerProcess, mobile: Curl, ada: dict[str, str]) -> None:
    service = bearer((server.data / "service-token").read_text())
    issued = mobile.post("/auth/login", {**ada, "deliver": "both"}).json
    for token in (issued["access_token"], issued["refresh_token"]):
        result = mobile.form("/auth/introspect", *service, token=token).json
        assert (result["active"], result["sid"]) == (True, issued["sid"])
    refused = mobile.form("/auth/introspect", token=issued["access_token"])
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")
    assert mobile.form("/auth/revoke", token=issued["refresh_token"]).json["revoked"] is True
    assert mobile.form("/auth/revoke", token="nothing of ours").json["revoked"] is False
    assert mobile.form("/auth/introspect", *service, token=issued["access_token"]).json == {"active": False}
    assert refusals(mobile, *bearer(issued["access_token"])) == {(401, "token_revoked")}


def refusals(client: Curl, *arguments: str) -> set[tuple[int, str]]:
    """Return status and code of the refusals once every worker has read the revocation."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        result = [client("/auth/session", *arguments) for _ in range(TRIES)]
        if time.monotonic() > give_up_at or all(each.status != 200 for each in result):
            return {(each.status, each.json.get("code", "")) for each in result}


def wait_for_the_next_second(access_token: str) -> None:
    """Wait until the second of the rotation is over: the grace window counts whole seconds from ``iat``."""
    issued_at = jwt.decode(access_token, options={"verify_signature": False})["iat"]
    while time.time() < issued_at + 1:
        time.sleep(0.02)

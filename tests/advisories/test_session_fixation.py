"""Session fixation: an attacker's session is never adopted, and privilege changes renew the session token.

Sources: CWE-384, CWE-613, OWASP Session Management Cheat Sheet ("Renew the Session ID After Any Privilege Level
Change"), OWASP ASVS 5.0 7.2.4 and 7.4.3, NIST SP 800-63B-4 section 5.1.
"""

from collections.abc import Iterator

import pytest

from advisories.raw_http import EMAIL, OTHER, OTHER_PASSWORD, PASSWORD, SERVICE, RawClient, bearer, jar, make_client

SESSION, ACCESS, REFRESH = (f"__Host-kt_{role}" for role in ("session", "access", "refresh"))
NEW_PASSWORD = "a lighthouse full of spoons"


@pytest.fixture
def client() -> Iterator[RawClient]:
    with make_client() as made:
        made.signup()
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


@pytest.mark.parametrize("deliver", ["cookie", "both", "token-cookies"])
@pytest.mark.parametrize("role", [SESSION, ACCESS, REFRESH])
@pytest.mark.conforms("ASVS 7.2.4", "NIST SP 800-63B-4 5.1")
def test_a_login_does_not_reuse_a_planted_session(client: RawClient, role: str, deliver: str) -> None:
    """The attacker plants cookies of his own live session before the victim logs in."""
    attacker = client.login(
        email=OTHER, password=OTHER_PASSWORD, deliver="cookie" if role == SESSION else "token-cookies"
    )
    planted = attacker.cookies[role]
    answer = client.login(jar({role: planted}), deliver=deliver)
    fresh = answer.cookies
    assert answer.json["sid"] != attacker.json["sid"]
    assert answer.json["subject"] != attacker.json["subject"]
    assert planted not in fresh.values()
    # What the new login does not overwrite is taken away, or it would still be presented.
    written = {line.partition("=")[0] for line in answer.values("set-cookie")}
    assert role in written
    # The attacker's copy is worth nothing any more, and never was the victim's.
    assert client.form("/auth/introspect", {"token": planted}, bearer(SERVICE)).json == {"active": False}
    kept = {name: value for name, value in fresh.items() if "device" not in name}
    assert client.get("/auth/session", jar(kept)).json["subject"] == answer.json["subject"]


@pytest.mark.parametrize("planted", ["made-up", "kt_session_AAAAAAAAAAAAAAAAAAAAAA.0." + "A" * 52])
def test_no_session_is_adopted(client: RawClient, planted: str) -> None:
    """PHP's session adoption: an unknown id, sent in, becomes a session of that id."""
    answer = client.login(jar({SESSION: planted}))
    assert answer.status == 200
    assert answer.cookies[SESSION] != planted
    assert client.get("/auth/session", jar({SESSION: planted})).status == 401


def test_a_failed_login_changes_no_cookie_and_ends_no_session(client: RawClient) -> None:
    victim = client.login()
    held = {SESSION: victim.cookies[SESSION]}
    assert client.login(jar(held), password="not this one, surely").status == 401
    assert client.login(jar(held), deliver="nonsense").status == 400
    assert client.alive(held)


@pytest.mark.parametrize("change", ["step-up", "password"])
@pytest.mark.conforms("ASVS 7.2.4")
def test_a_renewed_session_token_voids_every_earlier_one(client: RawClient, change: str) -> None:
    before = client.login()
    cookie = jar({SESSION: before.cookies[SESSION]})
    body = {
        "step-up": {"password": PASSWORD},
        "password": {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
    }[change]
    after = client.json(f"/auth/{change}", body, cookie)
    assert after.status == 200
    assert after.json["sid"] == before.json["sid"]
    assert client.get("/auth/session", cookie).json["code"] == "token_revoked"
    assert client.alive(after.cookies)
    # The stale one opens nothing, renews nothing, ends nothing; and what it meets is no clearing cookie (see ``obey``).
    assert client.json("/auth/step-up", {"password": PASSWORD}, cookie).status == 401
    assert client.ask("POST", "/auth/logout", [cookie]).status == 401
    assert client.ask("POST", "/auth/logout-all", [cookie]).status == 401
    assert client.ask("DELETE", f"/auth/sessions/{before.json['sid']}", [cookie]).status == 401
    assert client.login(cookie, password=NEW_PASSWORD if change == "password" else PASSWORD).status == 200
    assert client.alive(after.cookies)


@pytest.mark.conforms("ASVS 7.4.3")
def test_a_password_change_ends_all_other_sessions(client: RawClient) -> None:
    thief, owner = client.login(), client.login()
    changed = client.json(
        "/auth/password",
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        jar({SESSION: owner.cookies[SESSION]}),
    )
    assert not client.alive({SESSION: thief.cookies[SESSION]})
    assert client.get("/auth/session", bearer(thief.json["access_token"])).status == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": thief.json["refresh_token"]}
    assert client.form("/auth/token", refresh).status == 400
    assert client.login(email=EMAIL).status == 401
    assert client.alive(changed.cookies)


def test_a_session_token_of_yesterday_cannot_be_counted_up(client: RawClient) -> None:
    token = client.login().cookies[SESSION]
    head, counter, mac = token.split(".")
    for guess in ("1", "00", "01", "+0", "-0", "0 ", "999999999999999999"):
        assert not client.alive({SESSION: f"{head}.{guess}.{mac}"})
    assert counter == "0"
    assert client.alive({SESSION: token})


@pytest.mark.conforms("ASVS 7.4.1")
def test_logging_out_ends_the_copy_as_well(client: RawClient) -> None:
    issued = client.login()
    cookie = jar({SESSION: issued.cookies[SESSION]})
    answer = client.ask("POST", "/auth/logout", [cookie])
    assert {line.partition(";")[0] for line in answer.values("set-cookie")} == {
        f"{name}=" for name in (SESSION, ACCESS, REFRESH)
    }
    assert client.get("/auth/session", cookie).status == 401
    assert client.get("/auth/session", bearer(issued.json["access_token"])).status == 401
    assert (
        client.form(
            "/auth/token", {"grant_type": "refresh_token", "refresh_token": issued.json["refresh_token"]}
        ).status
        == 400
    )

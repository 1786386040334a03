"""Credentials of two logins in one request, and other people's tokens at the endpoints of RFC 7009 and RFC 7662.

Sources: RFC 7009 sections 2.1 and 5, RFC 7662 sections 2.1 and 4 (token scanning), RFC 9700 section 4.14, CWE-639
(another person's session by its id), CWE-441 (confused deputy).
"""

from collections.abc import Iterator

import pytest

from advisories.raw_http import OTHER, OTHER_PASSWORD, SERVICE, Answer, RawClient, bearer, jar, make_client
from keyturn.errors import ConfigurationError

SESSION, ACCESS, REFRESH = (f"__Host-kt_{role}" for role in ("session", "access", "refresh"))
GRANT = {"grant_type": "refresh_token"}


@pytest.fixture
def client() -> Iterator[RawClient]:
    with make_client(profile="browser-strict") as made:
        yield made


@pytest.fixture
def ada(client: RawClient) -> Answer:
    return client.signup()


@pytest.fixture
def mallory(client: RawClient) -> Answer:
    return client.signup(OTHER, OTHER_PASSWORD)


def live(client: RawClient, login: Answer) -> tuple[bool, bool]:
    access = client.get("/auth/session", bearer(login.json["access_token"])).status == 200
    return client.alive({SESSION: login.cookies[SESSION]}), access


@pytest.mark.parametrize("kind", ["session", "access_token", "refresh_token"])
@pytest.mark.conforms("RFC 7009 2.1")
def test_revoking_ends_the_session_of_that_token_and_no_other(
    client: RawClient, ada: Answer, mallory: Answer, kind: str
) -> None:
    second = client.login(email=OTHER, password=OTHER_PASSWORD)
    token = mallory.cookies[SESSION] if kind == "session" else mallory.json[kind]
    # The cookie and the bearer token of the sender are not read.
    for beside in (jar({SESSION: ada.cookies[SESSION]}), bearer(ada.json["access_token"])):
        assert client.form("/auth/revoke", {"token": token, "token_type_hint": "refresh_token"}, beside).status == 200
    assert live(client, mallory) == (False, False)
    assert live(client, second) == (True, True)
    assert live(client, ada) == (True, True)


@pytest.mark.parametrize("part", ["sid", "csrf_token", "subject"])
@pytest.mark.conforms("RFC 7009 2.2")
def test_revoking_an_identifier_instead_of_a_credential_has_no_effect(
    client: RawClient, ada: Answer, part: str
) -> None:
    assert client.form("/auth/revoke", {"token": ada.json[part]}).json["revoked"] is False
    assert live(client, ada) == (True, True)


def test_revoking_a_token_with_another_mac_has_no_effect(client: RawClient, ada: Answer, mallory: Answer) -> None:
    stolen_mac = mallory.json["refresh_token"].split(".")[2]
    head, counter, own = ada.json["refresh_token"].split(".")
    access = ada.json["access_token"]
    forged = [
        f"{head}.{counter}.{stolen_mac}",
        f"{head}.1.{own}",
        f"{head}.{counter}.{own[:-1]}{'A' if own[-1] != 'A' else 'B'}",
    ]
    forged += [access[:-3] + ("AAA" if access[-3:] != "AAA" else "BBB"), access.rpartition(".")[0] + "."]
    for token in forged:
        assert client.form("/auth/revoke", {"token": token}).json["revoked"] is False
        assert client.form("/auth/introspect", {"token": token}, bearer(SERVICE)).json == {"active": False}
        assert client.form("/auth/token", {**GRANT, "refresh_token": token}).status == 400
    assert live(client, ada) == (True, True)


@pytest.mark.conforms("RFC 7662 2.1")
def test_introspection_is_for_services_only(client: RawClient, ada: Answer) -> None:
    token = {"token": ada.json["access_token"]}
    callers = [
        (),
        (bearer(ada.json["access_token"]),),
        (jar({SESSION: ada.cookies[SESSION]}),),
        (bearer(SERVICE[:-1]),),
    ]
    callers += [
        (bearer(SERVICE + "a"),),
        (bearer(SERVICE.upper()),),
        ((b"authorization", b"Basic " + SERVICE.encode()),),
    ]
    for caller in callers:
        answer = client.form("/auth/introspect", token, *caller)
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        assert client.get("/auth/revocations", *caller).status == 401
    in_body = client.form("/auth/introspect", {**token, "client_secret": SERVICE, "access_token": SERVICE})
    assert in_body.status == 401
    assert client.form("/auth/introspect", token, bearer(SERVICE)).json["active"] is True


@pytest.mark.conforms("RFC 7662 2.2")
def test_introspection_of_an_inactive_token_returns_only_active_false(client: RawClient, ada: Answer) -> None:
    client.form("/auth/revoke", {"token": ada.json["refresh_token"]})
    tokens = [ada.cookies[SESSION], ada.json["refresh_token"], ada.json["access_token"], ada.json["csrf_token"], "x"]
    for token in tokens:
        assert client.form("/auth/introspect", {"token": token}, bearer(SERVICE)).json == {"active": False}


def test_a_refresh_token_beside_another_login_refreshes_its_own_session(
    client: RawClient, ada: Answer, mallory: Answer
) -> None:
    beside = jar({SESSION: ada.cookies[SESSION], REFRESH: ada.json["refresh_token"]})
    answer = client.form("/auth/token", {**GRANT, "refresh_token": mallory.json["refresh_token"]}, beside)
    assert answer.json["sid"] == mallory.json["sid"]
    # Asked by body, answered by body: no cookie of the bystander is overwritten.
    assert answer.values("set-cookie") == []
    assert live(client, ada) == (True, True)
    assert (
        client.form("/auth/token", {**GRANT, "refresh_token": ada.json["refresh_token"]})
        .json["refresh_token"]
        .count(".1.")
    )


def test_the_csrf_token_of_one_login_does_not_open_another(client: RawClient, ada: Answer, mallory: Answer) -> None:
    cookie = jar({SESSION: ada.cookies[SESSION]})
    token = (b"x-csrf-token", mallory.json["csrf_token"].encode())
    assert client.ask("POST", "/auth/logout", [cookie, token]).json["code"] == "csrf_token_required"
    refresh = jar({REFRESH: ada.json["refresh_token"]})
    assert client.form("/auth/token", GRANT, refresh, token).json["code"] == "csrf_token_required"
    assert live(client, ada) == (True, True)


def test_a_bearer_token_beats_the_cookie_and_speaks_for_itself(client: RawClient, ada: Answer, mallory: Answer) -> None:
    cookie = jar({SESSION: ada.cookies[SESSION]})
    assert (
        client.get("/auth/session", cookie, bearer(mallory.json["access_token"])).json["subject"]
        == mallory.json["subject"]
    )
    changed = client.json("/auth/step-up", {"password": OTHER_PASSWORD}, cookie, bearer(mallory.json["access_token"]))
    # Stepped up by bearer token beside a stranger's cookie: no cookie may be written over it.
    assert changed.status == 200
    assert changed.values("set-cookie") == []
    ended = client.ask("POST", "/auth/logout", [cookie, bearer(changed.json["access_token"])])
    assert ended.values("set-cookie") == []
    assert live(client, ada) == (True, True)


def test_a_user_cannot_end_another_users_session_by_id(client: RawClient, ada: Answer, mallory: Answer) -> None:
    caller = bearer(mallory.json["access_token"])
    theirs = client.ask("DELETE", f"/auth/sessions/{ada.json['sid']}", [caller])
    nobodys = client.ask("DELETE", f"/auth/sessions/{'A' * 22}", [caller])
    assert theirs.status == nobodys.status == 404
    assert theirs.body == nobodys.body
    assert live(client, ada) == (True, True)
    shown = client.get("/auth/sessions", caller)
    assert [each["sid"] for each in shown.json["sessions"]] == [mallory.json["sid"]]
    for secret in (ada.cookies[SESSION], mallory.cookies[SESSION], mallory.json["refresh_token"]):
        assert secret.encode() not in shown.body


def test_no_access_token_may_outlive_the_record_that_revokes_it() -> None:
    """An idle session is purged; a longer-lived token of it would be valid and could not be revoked."""
    with (
        pytest.raises(ConfigurationError, match="access_token_seconds"),
        make_client(profile="banking", access_token_seconds=301),
    ):
        pass
    with make_client(profile="banking", access_token_seconds=300) as client:
        assert client.signup().status == 201

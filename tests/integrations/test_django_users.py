"""``request.user``, the admin and ``LoginView`` of Django over Keyturn sessions, with the users of the project."""

from collections.abc import Iterator

import pytest

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from integrations.django_users_project import (
    MIDDLEWARE,
    PASSWORD,
    enter,
    enter_by_endpoint,
    open_client,
    subject,
    user_of,
)
from keyturn.core.types import Subject
from keyturn.errors import AccountExists, LoginFailed, TokenRevoked
from keyturn.integrations.django import issuer


@pytest.fixture
def client() -> Iterator[Client]:
    with open_client() as client:
        yield client


def test_a_login_by_an_endpoint_is_the_user_of_the_project(client: Client) -> None:
    assert user_of(client) == ""
    enter_by_endpoint(client)
    assert client.get("/whoami", secure=True).json() == {"user": "ada", "staff": True}
    assert client.get("/async-whoami", secure=True).json() == {"user": "ada"}
    assert client.get("/admin/", secure=True).status_code == 200


def test_the_login_view_opens_a_session_that_the_logout_view_ends(client: Client) -> None:
    assert enter(client) == 302
    assert user_of(client) == "ada"
    assert len(issuer().sessions(subject())) == 1
    assert client.post("/leave", secure=True).status_code == 302
    assert issuer().sessions(subject()) == []
    assert client.cookies["__Host-kt_session"].value == ""
    del client.cookies["__Host-kt_session"]
    assert user_of(client) == ""


def test_the_login_of_the_admin_opens_a_session(client: Client) -> None:
    assert client.get("/admin/", secure=True).status_code == 302
    assert enter(client, "/admin/login/?next=/admin/") == 302
    assert client.get("/admin/", secure=True).status_code == 200
    issuer().revoke_subject(subject())
    assert client.get("/admin/", secure=True).status_code == 302


def test_a_second_login_ends_the_session_of_the_first(client: Client) -> None:
    assert enter(client) == enter(client) == 302
    assert len(issuer().sessions(subject())) == 1


def test_a_login_above_the_limit_of_sessions_is_refused(client: Client) -> None:
    limited = {**settings.KEYTURN, "SESSION_LIMIT_PER_ACCOUNT": "1", "SESSION_LIMIT_ACTION": "refuse"}
    issuer().close()
    with override_settings(KEYTURN=limited):
        assert enter(client) == 302
        other = Client(HTTP_HOST="auth.example.com")
        assert (enter(other), user_of(other)) == (409, "")
        assert (enter(client), user_of(client)) == (302, "ada"), "it replaces its own session"
        assert len(issuer().sessions(subject())) == 1
        issuer().close()


def test_a_wrong_password_opens_no_session(client: Client) -> None:
    assert enter(client, password="wrong") == 200
    assert issuer().sessions(subject()) == []


def test_a_login_by_django_is_in_the_list_with_its_browser_and_address(client: Client) -> None:
    forwarded = {
        "HTTP_USER_AGENT": "Ada's\tbrowser",
        "REMOTE_ADDR": "192.0.2.9",
        "HTTP_X_FORWARDED_FOR": "198.51.100.7",
    }
    client.post("/enter", {"username": "ada", "password": PASSWORD}, secure=True, **forwarded)
    [listed] = issuer().sessions(Subject(subject()))
    assert (listed.label, listed.address) == ("Ada'sbrowser", "192.0.2.9")


def test_a_session_of_django_alone_is_no_login(client: Client) -> None:
    """Its cookie is of the same browser: what ends a Keyturn session must end the login."""
    assert enter(client) == 302
    del client.cookies["__Host-kt_session"]
    assert "sessionid" in client.cookies
    assert user_of(client) == ""


@pytest.mark.parametrize("middleware", [MIDDLEWARE, MIDDLEWARE[:1]])
@pytest.mark.parametrize("page", ["rest/mine", "ninja/mine"])
def test_the_user_of_an_api_is_the_row_of_the_subject(client: Client, page: str, middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        enter_by_endpoint(client)
        assert client.get(f"/{page}", secure=True).json() == {"user": "ada", "subject": subject()}
        assert client.get("/ninja/async-mine", secure=True).json() == {"user": "ada"}


@pytest.mark.parametrize(("page", "status"), [("mine", 401), ("rest/mine", 401), ("ninja/mine", 401), ("whoami", 200)])
def test_a_user_who_became_inactive_by_sql_is_refused_or_anonymous_on_first_use(
    client: Client, page: str, status: int
) -> None:
    enter_by_endpoint(client)
    assert client.get(f"/{page}", secure=True).json()["user"] == "ada"
    get_user_model().objects.update(is_active=False)
    # The session is still accepted: its account was compared within a minute.
    assert issuer().verify(client.cookies["__Host-kt_session"].value).subject == subject()
    answer = client.get(f"/{page}", secure=True)
    assert (answer.status_code, answer.json().get("user")) == (status, "" if status == 200 else None)
    assert issuer().sessions(subject()) == []


def test_accounts_are_the_rows_of_the_user_model(client: Client) -> None:
    issued = issuer().signup("grace", PASSWORD)
    user = get_user_model().objects.get(username="grace")
    assert (str(user.pk), user.check_password(PASSWORD)) == (issued.session.subject, True)
    assert issuer().login("grace", PASSWORD).session.subject == str(user.pk)
    with pytest.raises(AccountExists):
        issuer().signup("grace", PASSWORD)
    user.is_active = False
    user.save()
    with pytest.raises(LoginFailed):
        issuer().login("grace", PASSWORD)
    for unknown in ("x", "999999"):
        assert issuer().load_user(Subject(unknown)) is None


def test_a_user_with_the_key_of_a_deleted_one_inherits_no_session(client: Client) -> None:
    """Neither has a password: the time at which each joined tells them apart."""
    users = get_user_model().objects
    former = users.create(username="grace", password="!")
    issued = issuer().open_session(Subject(str(former.pk)), deliver="cookie")
    users.filter(pk=former.pk)._raw_delete(users.db)  # as SQL deletes: without a signal
    users.bulk_create([get_user_model()(pk=former.pk, username="grace", password="!")])
    issuer().check_account(issued.subject)
    assert issued.session_token is not None
    with pytest.raises(TokenRevoked):
        issuer().verify(issued.session_token.reveal())


def test_a_password_that_django_changes_ends_the_session(client: Client) -> None:
    assert enter(client) == 302
    user = get_user_model().objects.get(username="ada")
    user.set_password("another umbrella 7 o clock")
    user.save()
    with pytest.raises(LoginFailed):
        issuer().login("ada", PASSWORD)
    issuer().login("ada", "another umbrella 7 o clock")
    assert user_of(client) == ""


def test_accounts_without_a_usable_password_log_in_nowhere(client: Client) -> None:
    user = get_user_model().objects.get(username="ada")
    user.set_unusable_password()
    user.save()
    for password in (PASSWORD, "", user.password):
        with pytest.raises(LoginFailed):
            issuer().login("ada", password)

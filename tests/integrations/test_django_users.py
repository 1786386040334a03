"""``request.user``, the admin and ``LoginView`` of Django over Keyturn sessions, with the users of the project."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import LoginView, LogoutView
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import include, path
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.sync_issuer import SETTINGS
from keyturn.core.types import Subject
from keyturn.errors import AccountExists, LoginFailed, TokenRevoked
from keyturn.integrations.django import issuer, required
from keyturn.integrations.django.ninja import KeyturnAuth, add_refusals
from keyturn.integrations.django.rest_framework import KeyturnAuthentication

PASSWORD = "violet umbrella 7 o clock"
MIDDLEWARE = [
    "keyturn.integrations.django.middleware.KeyturnMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "keyturn.integrations.django.users.UserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def whoami(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username(), "staff": request.user.is_staff})


async def async_whoami(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": (await request.auser()).get_username()})


@required
def mine(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username()})


class Mine(APIView):
    authentication_classes = (KeyturnAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        return Response({"user": request.user.get_username(), "subject": request.auth.subject})


api = NinjaAPI(urls_namespace="keyturn-users")
add_refusals(api)


@api.get("/mine", auth=KeyturnAuth())
def ninja_mine(request: Any) -> dict[str, str]:
    return {"user": request.user.get_username(), "subject": request.auth.subject}


@api.get("/async-mine", auth=KeyturnAuth())
async def async_ninja_mine(request: Any) -> dict[str, str]:
    return {"user": (await request.auser()).get_username()}


urlpatterns = [
    path("mine", mine),
    path("rest/mine", Mine.as_view()),
    path("ninja/", api.urls),
    path("", include("keyturn.integrations.django.urls")),
    path("admin/", admin.site.urls),
    path("enter", LoginView.as_view(template_name="admin/login.html", next_page="/whoami")),
    path("leave", LogoutView.as_view(next_page="/whoami")),
    path("whoami", whoami),
    path("async-whoami", async_whoami),
]


@pytest.fixture(scope="module")
def password_hash() -> str:
    call_command("migrate", verbosity=0)
    return make_password(PASSWORD)


@pytest.fixture
def client(password_hash: str) -> Iterator[Client]:
    named = {name.upper(): value for name, value in SETTINGS.items()}
    accounts = "keyturn.integrations.django.accounts.UserAccounts"
    users = get_user_model()
    users.objects.create(username="ada", password=password_hash, is_staff=True, is_superuser=True)
    with override_settings(
        KEYTURN={**named, "ACCOUNTS": accounts},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=MIDDLEWARE,
        TEMPLATES=TEMPLATES,
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{each}PasswordHasher" for each in ("PBKDF2", "Argon2")],
    ):
        yield Client(HTTP_HOST="auth.example.com")
        issuer().close()
    users.objects.all().delete()


def user_of(client: Client) -> str:
    name: str = client.get("/whoami", secure=True).json()["user"]
    return name


def enter_by_endpoint(client: Client) -> None:
    body = {"email": "ada", "password": PASSWORD, "deliver": "cookie"}
    assert client.post("/auth/login", body, "application/json", secure=True).status_code == 200


def enter(client: Client, path: str = "/enter", password: str = PASSWORD) -> int:
    return client.post(path, {"username": "ada", "password": password}, secure=True).status_code


def subject() -> str:
    return str(get_user_model().objects.get(username="ada").pk)


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
    for subject in ("x", "999999"):
        assert issuer().load_user(Subject(subject)) is None


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


def found_by_checks(**changes: Any) -> list[str]:
    with override_settings(**changes):
        return [each.id for each in run_checks() if each.id.startswith("keyturn.")]


def test_checks_accept_the_project(client: Client) -> None:
    assert found_by_checks() == []


def test_checks_name_a_wrong_setting(client: Client) -> None:
    assert "keyturn.E001" in found_by_checks(KEYTURN={"NONSENSE": "x"}, ROOT_URLCONF="integrations.no_urls")


def test_checks_name_a_missing_or_misplaced_middleware(client: Client) -> None:
    assert found_by_checks(MIDDLEWARE=MIDDLEWARE[1:]) == ["keyturn.E002"]
    assert found_by_checks(MIDDLEWARE=[*MIDDLEWARE, MIDDLEWARE[3]]) == ["keyturn.E003"]
    named = {name.upper(): value for name, value in SETTINGS.items()}
    assert found_by_checks(KEYTURN=named) == ["keyturn.W001"]


def test_the_command_line_names_the_users_of_the_project(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    issuer().close()
    stored = {**settings.KEYTURN, "STORE": f"sqlite:///{tmp_path}/shop.db"}
    with override_settings(KEYTURN=stored):
        enter(client)
        capsys.readouterr()
        call_command("keyturn", "users", "show", "ada", "--json")
        shown = json.loads(capsys.readouterr().out)
        assert (shown["subject"], shown["identifier"], shown["sessions"]) == (subject(), "ada", 1)
        call_command("keyturn", "users", "disable", "ada")
        assert "disabled ada; " in capsys.readouterr().out
        assert user_of(client) == ""
        with pytest.raises(SystemExit):
            call_command("keyturn", "users", "disable", "bob")
        with pytest.raises(CommandError, match="its own endpoints"):
            call_command("keyturn", "serve")
        with override_settings(KEYTURN={"INSTANCE": issuer()}):
            call_command("keyturn", "users", "enable", "ada")
        assert issuer().account(identifier="ada").disabled is False
        assert not [name for name in os.environ if name.startswith("KEYTURN_")]
        issuer().close()


def test_the_command_line_has_the_settings_of_the_project(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with override_settings(KEYTURN={"STORE": f"sqlite:///{tmp_path}/shop.db", "ISSUER": "http://127.0.0.1:8000"}):
        with pytest.raises(SystemExit):
            call_command("keyturn", "no-such-command")
        call_command("keyturn", "keys", "add")
    assert (tmp_path / "shop.db").exists()


class Audit:
    """Middleware that reads the user after the view, as those of audit logs do."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self._get_response(request)
        assert request.user.is_authenticated in (True, False)
        return response


BAD_BEARER = {"authorization": "Bearer nonsense"}


LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


@pytest.mark.parametrize(
    ("page", "reader"),
    [
        *((page, LOGIN_REQUIRED) for page in ("/whoami", "/mine", "/rest/mine", "/ninja/mine")),
        *((page, f"{__name__}.Audit") for page in ("/whoami", "/missing", "/mine", "/rest/mine", "/ninja/mine")),
    ],
)
def test_a_bad_bearer_token_is_refused_whoever_reads_the_user(client: Client, page: str, reader: str) -> None:
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, reader], LOGIN_URL="/enter"):
        answer = client.get(page, secure=True, headers=BAD_BEARER)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_malformed")


def test_a_project_whose_views_all_need_a_login_keeps_the_endpoints_open(client: Client) -> None:
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, LOGIN_REQUIRED], LOGIN_URL="/enter"):
        assert client.get("/whoami", secure=True).status_code == 302
        assert client.get("/mine", secure=True).status_code == 401
        body = {"email": "ada", "password": PASSWORD, "deliver": "cookie"}
        assert client.post("/auth/login", body, content_type="application/json", secure=True).status_code == 200
        assert client.get("/mine", secure=True).json() == {"user": "ada"}
        assert user_of(client) == "ada"

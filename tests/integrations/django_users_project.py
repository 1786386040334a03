"""A Django project whose users are those of Keyturn sessions: its settings, its views, and a client."""

from collections.abc import Iterator
from typing import Any

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from contextlib import contextmanager
from functools import cache

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import LoginView, LogoutView
from django.core.management import call_command
from django.http import HttpRequest, JsonResponse
from django.test import Client, override_settings
from django.urls import include, path
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.sync_issuer import SETTINGS
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


@cache
def password_hash() -> str:
    call_command("migrate", verbosity=0)
    return make_password(PASSWORD)


@contextmanager
def open_client() -> Iterator[Client]:
    """Open the project with the user ``ada``, an administrator."""
    named = {name.upper(): value for name, value in SETTINGS.items()}
    accounts = "keyturn.integrations.django.accounts.UserAccounts"
    users = get_user_model()
    users.objects.create(username="ada", password=password_hash(), is_staff=True, is_superuser=True)
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

"""Refused credentials, whichever middleware of Django reads the user."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from integrations.django_users_project import (
    MIDDLEWARE,
    PASSWORD,
    open_client,
    user_of,
)


@pytest.fixture
def client() -> Iterator[Client]:
    with open_client() as client:
        yield client


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

"""Django REST framework and Django Ninja over a Keyturn issuer."""

import json
from collections.abc import Iterator

import pytest

from integrations.fronts import django_front as front  # isort: skip  (it configures Django)

from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import path
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.sync_issuer import SyncIssuer, bearer, cookie
from keyturn.flows import IssuedCredentials
from keyturn.integrations.django.ninja import KeyturnAuth, add_refusals
from keyturn.integrations.django.rest_framework import KeyturnAuthentication, permission

api = NinjaAPI(urls_namespace="keyturn-tests")
add_refusals(api)


@api.api_operation(["GET", "POST"], "/private", auth=KeyturnAuth())
def private(request: HttpRequest) -> dict[str, str]:
    return {"sid": request.auth.sid}  # type: ignore[attr-defined]


@api.get("/admin", auth=KeyturnAuth("admin"))
def admin(request: HttpRequest) -> dict[str, str]:
    return {"sid": request.auth.sid}  # type: ignore[attr-defined]


class Private(APIView):
    authentication_classes = (KeyturnAuthentication,)
    permission_classes: tuple[type, ...] = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"sid": request.auth.sid, "user": str(request.user)})

    post = get


class Admin(Private):
    permission_classes = (permission("admin"),)


class Public(Private):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"sid": request.auth and request.auth.sid})


urlpatterns = [
    path("ninja/", api.urls),
    path("rest/private", Private.as_view()),
    path("rest/admin", Admin.as_view()),
    path("rest/public", Public.as_view()),
]


@pytest.fixture
def issuer() -> Iterator[SyncIssuer]:
    issuer = SyncIssuer()
    with front.open_project(issuer), override_settings(ROOT_URLCONF=__name__):
        yield issuer
    issuer.close()


def call(path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> tuple[int, dict[str, str]]:
    named = {name.decode(): value.decode() for name, value in headers}
    answer = Client(enforce_csrf_checks=True).generic(method, path, headers=named, HTTP_HOST="auth.example.com")
    return answer.status_code, json.loads(answer.content)


@pytest.mark.parametrize("kind", ["rest", "ninja"])
def test_an_api_authenticates_by_each_credential(issuer: SyncIssuer, kind: str) -> None:
    issued = issuer.enroll()
    for credential in (cookie, bearer):
        for method in ("GET", "POST"):
            same = (b"sec-fetch-site", b"same-origin")
            status, body = call(f"/{kind}/private", credential(issued), same, method=method)
            assert (status, body["sid"]) == (200, issued.session.sid)
    status, body = call(f"/{kind}/private", cookie(issued), (b"sec-fetch-site", b"cross-site"), method="POST")
    assert (status, body["code"]) == (403, "cross_origin")


@pytest.mark.parametrize("kind", ["rest", "ninja"])
def test_an_api_refuses_a_credential_that_does_not_suffice(issuer: SyncIssuer, kind: str) -> None:
    issued, root = issuer.enroll(), issuer.enroll("root", scope="admin")
    assert call(f"/{kind}/admin", bearer(root))[0] == 200
    assert call(f"/{kind}/admin", bearer(issued))[1]["code"] == "forbidden"
    assert call(f"/{kind}/private", (b"authorization", b"Bearer x"))[1]["code"] == "token_malformed"
    issuer.logout(issued.session.sid)
    assert call(f"/{kind}/private", bearer(issued))[1]["code"] == "token_revoked"


@pytest.mark.parametrize("debug", [False, True])
def test_ninja_answers_refusals_with_and_without_debug(issuer: SyncIssuer, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        assert call("/ninja/private")[1]["code"] == "unauthenticated"


def test_an_anonymous_request_of_rest_framework_gets_its_own_answer(issuer: SyncIssuer) -> None:
    status, body = call("/rest/private")
    assert (status, list(body)) == (401, ["detail"])
    assert call("/rest/public") == (200, {"sid": None})


def test_the_user_of_rest_framework_is_named_by_its_subject(issuer: SyncIssuer) -> None:
    issued: IssuedCredentials = issuer.enroll()
    assert call("/rest/private", bearer(issued))[1]["user"] == issued.session.subject


def test_the_document_of_ninja_names_the_scheme_of_its_operations(issuer: SyncIssuer) -> None:
    schemes = api.get_openapi_schema()["components"]["securitySchemes"]
    assert schemes == {"KeyturnAuth": {"type": "http", "scheme": "bearer"}}

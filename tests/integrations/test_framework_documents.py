"""OpenAPI documents of FastAPI and Litestar: endpoints, security schemes, scopes and refusals."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.framework_apps import APPS
from integrations.framework_client import Build, ask, code
from keyturn import AsyncIssuer
from keyturn.verifier import Verifier


def document(name: str, app: Any) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi() if name == "fastapi" else app.openapi_schema.to_schema()
    return found


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
def test_the_document_shows_endpoints_schemes_scopes_and_refusals(name: str, issuer: AsyncIssuer) -> None:
    app, _ = APPS[name](issuer=issuer)
    found = document(name, app)
    assert document(name, app) == found
    assert "post" in found["paths"]["/auth/login"]
    assert {"bearer", "session", "access"} <= found["components"]["securitySchemes"].keys()
    assert "keyturn" not in found["components"]["securitySchemes"]
    assert found["paths"]["/page"]["get"]["security"] == [{"bearer": []}, {"session": []}, {"access": []}]
    assert not found["paths"]["/open"]["get"].get("security")
    admin = found["paths"]["/admin"]["get"]
    assert admin["security"][0] == {"bearer": ["admin"]}
    assert {"401", "403", "503"} <= admin["responses"].keys()
    references = set(_references(found))
    assert {each.removeprefix("#/components/schemas/") for each in references} <= found["components"]["schemas"].keys()


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
def test_the_document_of_a_resource_server_shows_bearer_tokens_only(name: str) -> None:
    app, _ = APPS[name](verifier=Verifier("https://auth.example.com", audience="orders"))
    found = document(name, app)
    assert found["paths"].keys() == {"/open", "/page", "/admin"}
    assert found["paths"]["/page"]["get"]["security"] == [{"bearer": []}]
    assert found["components"]["securitySchemes"].keys() == {"bearer"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref" and each.startswith("#/components/schemas/"))
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_a_prefix_moves_the_endpoints_and_their_document(build: Build, issuer: AsyncIssuer) -> None:
    app, _ = build(issuer=issuer, prefix="/accounts/auth")
    assert code(ask(app, "/accounts/auth/session")) == (401, "unauthenticated")
    assert ask(app, "/auth/session").status == 404
    metadata = json.loads(ask(app, "/.well-known/oauth-authorization-server").body)
    assert metadata["token_endpoint"] == "https://auth.example.com/accounts/auth/token"
    refused = json.loads(ask(app, "/page").body)
    assert refused["type"] == "https://auth.example.com/accounts/auth/docs/errors#unauthenticated"
    assert ask(app, "/accounts/auth/docs/errors").status == 200
    if build is not APPS["starlette"]:
        name = "fastapi" if build is APPS["fastapi"] else "litestar"
        assert "/accounts/auth/login" in document(name, app)["paths"]

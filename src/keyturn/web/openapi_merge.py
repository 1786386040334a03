"""The endpoints in the OpenAPI document of an application, and how its own guarded operations authenticate."""

import json
from collections.abc import Iterator
from typing import Any, Final

from keyturn.web.config import WebConfig
from keyturn.web.openapi import document
from keyturn.web.routes import ROUTES

GUARD: Final = "keyturn"
"""Security scheme by which a framework marks an operation that is guarded; ``merge`` replaces it."""

_ALTERNATIVES = ("bearer", "session", "access")
_PREFIX = "Keyturn."
_PROBLEM = f"{_PREFIX}Problem"
_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt", "description": "RFC 9068."}
_BEARER_ONLY: Final[dict[str, Any]] = {
    "paths": {},
    "components": {"schemas": {}, "securitySchemes": {"bearer": _BEARER}},
}
_REFUSALS = {
    "401": "Not authenticated: the credential is missing, invalid, expired or revoked.",
    "403": "A scope, a CSRF token or a recent authentication is missing, or another site sent the request.",
    "503": "The state of the credential cannot be determined at present.",
}


def merge(openapi: dict[str, Any], config: WebConfig | None) -> dict[str, Any]:
    """Complete ``openapi``, the document of an application, in place, and return it.

    ``config``: of the endpoints; None for a resource server, which has none and accepts bearer tokens only.
    Schemas of Keyturn have names with the prefix ``Keyturn.``, so that they replace none of the application's.
    """
    components = openapi.setdefault("components", {})
    own = _BEARER_ONLY if config is None else _own(config)
    components["schemas"] = {**components.get("schemas", {}), **own["components"]["schemas"]}
    schemes = {**components.get("securitySchemes", {}), **own["components"]["securitySchemes"]}
    components["securitySchemes"] = {name: scheme for name, scheme in schemes.items() if name != GUARD}
    alternatives = [scheme for scheme in _ALTERNATIVES if scheme in own["components"]["securitySchemes"]]
    for operation in _operations(openapi):
        _secure(operation, alternatives, own["components"]["schemas"])
    openapi["paths"] = {**own["paths"], **openapi.get("paths", {})}
    return openapi


def _own(config: WebConfig) -> dict[str, Any]:
    text = json.dumps(document(ROUTES, config)).replace("#/components/schemas/", f"#/components/schemas/{_PREFIX}")
    own: dict[str, Any] = json.loads(text)
    own["components"]["schemas"] = {_PREFIX + name: each for name, each in own["components"]["schemas"].items()}
    own["paths"] = {path: item for path, item in own["paths"].items() if not path.endswith("/openapi.json")}
    return own


def _operations(openapi: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in openapi.get("paths", {}).values():
        yield from (each for each in item.values() if isinstance(each, dict))


def _secure(operation: dict[str, Any], schemes: list[str], schemas: dict[str, Any]) -> None:
    marks: list[list[str]] = [each[GUARD] for each in operation.get("security", ()) if GUARD in each]
    if not marks:
        return
    scopes = sorted({scope for mark in marks for scope in mark})
    operation["security"] = [{scheme: scopes} for scheme in schemes]
    schema = {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}} if _PROBLEM in schemas else {}
    for status, description in _REFUSALS.items():
        content = {"application/problem+json": schema}
        operation["responses"].setdefault(status, {"description": description, "content": content})

"""The OpenAPI document, generated from the routes and the schemas."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version

import msgspec

from keyturn.core.policy import CookiePolicy
from keyturn.errors import Refusal
from keyturn.web.config import WebConfig
from keyturn.web.parse import FORM_TYPE
from keyturn.web.problem import OAUTH_PATHS, PROBLEM_TYPE, problem
from keyturn.web.route import Route
from keyturn.web.schemas import OAuthProblem, Problem

_REF = "#/components/schemas/{name}"
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_LOCATION = {"Location": {"description": "The next page.", "schema": {"type": "string", "format": "uri-reference"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750 section 3.", "schema": {"type": "string"}}}


def document(routes: Sequence[Route], config: WebConfig) -> dict[str, object]:
    """Return an OpenAPI 3.1 document of ``routes``, with every refusal of each."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        item = paths.setdefault(_path(route, config), {})
        item[route.method.lower()] = _operation(route, config)
        if not config.route_url(route.path).startswith(config.url("/")):
            # RFC 8414 section 3.1: the metadata is at the root of the host, outside of the issuer's path.
            item["servers"] = [{"url": config.url("").removesuffix(config.issuer_path)}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keyturn",
            "version": version("keyturn"),
            "description": "One login, two keys: session cookies and access tokens under one record.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": config.url("")}],
        "paths": paths,
        "components": {"schemas": _schemas(routes), "securitySchemes": _schemes(config.issuer_config.profile.cookie)},
    }


def _path(route: Route, config: WebConfig) -> str:
    url, base = config.route_url(route.path), config.url("")
    return url.removeprefix(base if url.startswith(f"{base}/") else base.removesuffix(config.issuer_path))


def _operation(route: Route, config: WebConfig) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": route.endpoint.__name__.removeprefix(f"{route.method.lower()}_")
        + ("_openid" if "openid" in route.path else ""),
        "summary": route.summary,
        "responses": {str(route.status): _success(route), **_redirect(route), **_refusals(route)},
        "security": _security(route, config),
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route)]:
        operation["parameters"] = parameters
    if content := _request_content(route):
        operation["requestBody"] = {"required": route.request is not None, "content": content}
    return operation


def _request_content(route: Route) -> dict[str, object]:
    shapes = {route.media: route.request, FORM_TYPE: route.form} if route.form else {route.media: route.request}
    return {media: {"schema": _ref(shape)} for media, shape in shapes.items() if shape}


def _security(route: Route, config: WebConfig) -> list[dict[str, list[str]]]:
    schemes: list[dict[str, list[str]]] = [{scheme: []} for scheme in route.schemes]
    return [*schemes, {}] if route.feed and config.open_feed else schemes


def _success(route: Route) -> dict[str, object]:
    if route.answer == "html":
        return {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    if route.answer == "script":
        return {"description": "A module.", "content": {"text/javascript": {"schema": {"type": "string"}}}}
    if route.answer == "redirect":
        return {"description": HTTPStatus(route.status).phrase, "headers": _LOCATION}
    schema = _ref(route.response) if route.response else {"type": "object"}
    content: dict[str, object] = {"application/json": {"schema": schema}}
    if route.feed:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": HTTPStatus(route.status).phrase, "content": content}


def _redirect(route: Route) -> dict[str, object]:
    return {"303": {"description": "The answer to an HTML form.", "headers": _LOCATION}} if route.form else {}


def _refusals(route: Route) -> dict[str, object]:
    by_status: dict[int, list[type[Refusal]]] = {}
    for refusal in dict.fromkeys(route.refusals):
        by_status.setdefault(_status(route, refusal), []).append(refusal)
    return {str(status): _refusal(route, status, by_status[status]) for status in sorted(by_status)}


def _status(route: Route, refusal: type[Refusal]) -> int:
    return problem(_example(refusal), "", route.path).status


def _refusal(route: Route, status: int, refusals: list[type[Refusal]]) -> dict[str, object]:
    codes = sorted({refusal.code for refusal in refusals})
    narrowed = {"properties": {"code": {"enum": codes}}}
    shape, media = (OAuthProblem, "application/json") if route.path in OAUTH_PATHS else (Problem, PROBLEM_TYPE)
    response: dict[str, object] = {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {media: {"schema": {"allOf": [_ref(shape), narrowed]}}},
    }
    headers = (_CHALLENGE if status == HTTPStatus.UNAUTHORIZED else {}) | (_RETRY if status in (429, 503) else {})
    return response | ({"headers": headers} if headers else {})


def _example(refusal: type[Refusal]) -> Refusal:
    return refusal("documented")


def _path_parameters(route: Route) -> Iterable[dict[str, object]]:
    for name in re.findall(r"{(\w+)}", route.path):
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> Iterable[dict[str, object]]:
    for name, schema in route.query:
        yield {"name": name, "in": "query", "schema": schema}


def _ref(shape: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=shape.__name__)}


def _schemas(routes: Iterable[Route]) -> dict[str, object]:
    shapes = {shape for route in routes for shape in (route.request, route.response, route.form) if shape}
    ordered = sorted({*shapes, Problem, OAuthProblem}, key=lambda shape: shape.__name__)
    return msgspec.json.schema_components(ordered, ref_template=_REF)[1]


def _schemes(policy: CookiePolicy) -> dict[str, object]:
    cookies = {
        role: {"type": "apiKey", "in": "cookie", "name": policy.name(role)} for role in ("session", "access", "refresh")
    }
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt", "description": "RFC 9068."},
        "service": {"type": "http", "scheme": "bearer", "description": "The token of a resource server."},
        **cookies,
    }

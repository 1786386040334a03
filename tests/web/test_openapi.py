"""The OpenAPI document against what the endpoints do."""

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from keyturn.web import schemas
from keyturn.web.problem import problem
from keyturn.web.route import Route
from keyturn.web.routes import ROUTES
from web.browser import Browser, document


@pytest.fixture
def described(browser: Browser) -> dict[str, Any]:
    return document(browser.get("/openapi.json"))


def test_every_route_is_described_with_a_name_of_its_own(described: dict[str, Any]) -> None:
    operations = [described["paths"][route.path][route.method.lower()] for route in ROUTES]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(ROUTES)
    assert all(each["summary"] for each in operations)
    assert sum(len(each) for each in described["paths"].values()) == len(ROUTES)


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(described).decode()))
    assert references <= described["components"]["schemas"].keys()


def test_every_shape_that_travels_is_described(described: dict[str, Any]) -> None:
    masked = {"MaskedStruct", "Struct"}
    named = {
        name
        for name, each in vars(schemas).items()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and name not in masked
    }
    assert named <= described["components"]["schemas"].keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_refusal_of_a_route_is_described(described: dict[str, Any], route: Route) -> None:
    responses = described["paths"][route.path][route.method.lower()]["responses"]
    for refusal in route.refusals:
        status = str(problem(refusal("why"), "", route.path).status)
        (content,) = responses[status]["content"].values()
        assert refusal.code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]
    assert "401" not in responses or "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


def test_cookies_and_tokens_are_named_as_the_site_names_them(described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    assert schemes["session"]["name"] == "__Host-kt_session"
    assert schemes["bearer"]["scheme"] == "bearer"
    assert described["paths"]["/auth/session"]["get"]["security"] == [{"bearer": []}, {"session": []}, {"access": []}]
    assert described["servers"] == [{"url": "https://auth.example.com"}]


def test_an_open_feed_is_described_as_open(browser: Browser) -> None:
    def security() -> Any:
        described: Any = document(browser.get("/openapi.json"))
        return described["paths"]["/auth/revocations"]["get"]["security"]

    assert security() == [{"service": []}]
    browser.site = replace(browser.site, open_feed=True)
    assert security() == [{"service": []}, {}]


def test_the_parameters_of_paths_and_queries_are_described(described: dict[str, Any]) -> None:
    (sid,) = described["paths"]["/auth/sessions/{sid}"]["delete"]["parameters"]
    assert (sid["in"], sid["required"]) == ("path", True)
    query = described["paths"]["/auth/revocations"]["get"]["parameters"]
    assert [(each["name"], each["in"]) for each in query] == [("after", "query"), ("seed", "query")]

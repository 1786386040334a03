"""The reference says everything there is, and nothing there is not: settings, policies, commands, routes, names."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

import keyturn
import keyturn.tokens
from keyturn import issuer
from keyturn.cli import app
from keyturn.config.settings import PREFIX, Settings
from keyturn.connections import Connection
from keyturn.core.audit import ALERT_EVENTS, AuditEventType
from keyturn.core.policy import PROFILES
from keyturn.issuer import AsyncIssuer, Issuer
from keyturn.server.metrics import Metrics
from keyturn.verifier import Verifier
from keyturn.web import schemas
from keyturn.web.routes import ROUTES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
OPERATIONS = ("GET /livez", "GET /readyz", "GET /metrics")
METRICS = Metrics(shared=False)
REGISTRY = METRICS._registry
FIELDS = {
    "keyturn_http_requests": "requests",
    "keyturn_refusals": "refusals",
    "keyturn_security_events": "events",
    "keyturn_http_request_duration_seconds": "seconds",
    "keyturn_session_cache_requests": "_lookups",
}
TYPER = typer.main.get_command(app)


def text(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def rows(name: str) -> list[list[str]]:
    """Return the cells of every table row of a page."""
    lines = [each for each in text(name).splitlines() if each.startswith("| ") and not each.startswith("|---")]
    return [[cell.strip() for cell in each.strip("|").split("|")] for each in lines]


def first_names(name: str) -> set[str]:
    """Every name in code style in the first cell of a row, without its arguments."""
    return {each for row in rows(name) for each in re.findall(r"`(\w+)[^`]*`", row[0])}


SETTINGS = {row[0].strip("`"): row for row in rows("settings") if row[0].startswith("`")}


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_a_setting_is_documented_with_its_variable_and_default(field: msgspec.structs.FieldInfo) -> None:
    _, variable, default, meaning = SETTINGS[field.name]
    assert variable == f"`{PREFIX}{field.name.upper()}`"
    assert len(meaning) > 20
    said = re.fullmatch("`(.+)`", default)
    stands_for_another = field.default in ("", 0, -1)
    assert (
        (said is None and default != "") if stands_for_another else (said is not None and said[1] == str(field.default))
    )


def test_no_setting_is_documented_that_is_none() -> None:
    assert set(SETTINGS) == set(Settings.__struct_fields__)


def test_each_figure_of_each_policy_is_documented() -> None:
    written = {row[0].strip("`"): row[1 : 1 + len(PROFILES)] for row in rows("policies") if "." in row[0]}
    for part in ("session", "token", "cookie", "throttle", "password"):
        for field in fields(getattr(PROFILES["browser"], part)):
            if field.name in ("clock_gap_seconds", "clock_lead_seconds"):
                continue  # the state of the clocks, no figure of a policy
            figures = [str(getattr(getattr(each, part), field.name)) for each in PROFILES.values()]
            assert written.pop(f"{part}.{field.name}") == figures
    assert written == {}


def test_the_policies_are_named_in_their_order() -> None:
    head = next(row for row in rows("policies") if row[0] == "figure")
    assert [each.strip("`") for each in head[1 : 1 + len(PROFILES)]] == list(PROFILES)


def commands(group: Any = TYPER, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every command by its whole name."""
    if not hasattr(group, "commands"):
        return {" ".join(path): group}
    found: dict[str, Any] = {}
    for name in group.list_commands(None):
        found |= commands(group.get_command(None, name), (*path, name))
    return found


def test_every_command_has_a_section() -> None:
    assert set(re.findall(r"^## keyturn (.+)$", text("cli"), re.M)) == set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_is_documented(command: str) -> None:
    documented = {re.findall("--[a-z-]+", row[0])[0]: row[1] for row in rows("cli") if row[0].startswith("`--")}
    for parameter in commands()[command].params:
        if parameter.param_type_name == "argument":
            assert re.search(rf"`keyturn {command} (?:[A-Z_]+ )*{parameter.name.upper()}\b", text("cli"))
        elif parameter.name != "help" and not getattr(parameter, "hidden", False):
            assert covers(documented[parameter.opts[0]], command), f"{parameter.opts[0]} of {command}"


def covers(scope: str, command: str) -> bool:
    if scope.startswith("every command"):
        return command not in re.findall("but `(.+)`", scope)
    return f"`{command}`" in scope


def test_every_route_is_documented_with_its_shapes() -> None:
    written = {row[0].strip("`"): row[1:] for row in rows("http") if re.match("`[A-Z]+ /", row[0])}
    for route in ROUTES:
        asked, answers = written.pop(f"{route.method} {route.path}")
        if route.request:
            assert f"`{route.request.__name__}`" in asked
            assert ("form" in asked) == ("form" in route.media)
        if route.form:
            assert f"`{route.form.__name__}`" in asked
        assert all(f"`{name}`" in asked for name, _ in route.query)
        if route.response and "openid" not in route.path:
            assert f"`{route.response.__name__}`" in answers
        assert (str(route.status) in answers.partition(":")[0]) == (route.status != 200)
    assert set(written) == set(OPERATIONS)


SHAPES = [each for each in vars(schemas).values() if isinstance(each, type) and each.__module__ == schemas.__name__]


@pytest.mark.parametrize(
    "shape", [each for each in SHAPES if each.__name__ != "MaskedStruct"], ids=lambda shape: shape.__name__
)
def test_every_member_of_a_shape_is_documented(shape: Any) -> None:
    (members,) = [row[1] for row in rows("http") if row[0] == f"`{shape.__name__}`"]
    for field in msgspec.structs.fields(shape):
        optional = field.default is not msgspec.NODEFAULT
        assert (f"`{field.encode_name}`?" in members) == optional, field.name
        assert f"`{field.encode_name}`" in members


def test_every_public_name_is_documented() -> None:
    written = first_names("python")
    assert set(keyturn.__all__) - written == set()
    assert set(keyturn.tokens.__all__) - written == set()


@pytest.mark.parametrize("door", [Issuer, AsyncIssuer])
def test_every_method_of_a_door_is_documented(door: type) -> None:
    methods = {name for name in dir(door) if not name.startswith("_")}
    assert methods - first_names("python") == set()


def test_every_argument_of_a_verifier_is_documented() -> None:
    arguments = set(inspect.signature(Verifier.__init__).parameters) - {"self"}
    assert arguments - first_names("python") == set()


def test_documented_signatures_name_real_arguments() -> None:
    for name, given in re.findall(r"^\| `(\w+)\(([^)`]*)\)`", text("python"), re.M):
        classes = (Issuer, AsyncIssuer, Verifier, Connection, keyturn.tokens)
        homes = ((issuer, f"_{name}"), *((each, name) for each in classes))
        use = next(getattr(home, each) for home, each in homes if hasattr(home, each))
        known = set(inspect.signature(use).parameters) | {"settings"}
        said = {each.strip().lstrip("*").partition("=")[0] for each in given.split(",")} - {""}
        assert said <= known, name


def test_every_metric_is_documented() -> None:
    written = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows("operations") if "keyturn_" in row[0]}
    for family in REGISTRY.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = list(getattr(METRICS, FIELDS[family.name])._labelnames) if family.name in FIELDS else []
        assert written.pop(name) == labels
    assert written == {}


def test_every_security_event_is_documented() -> None:
    written = {
        row[0].strip("`"): row[2] for row in rows("operations") if row[0].startswith("`") and "keyturn_" not in row[0]
    }
    assert written.keys() == {each.value for each in AuditEventType}
    assert {each for each in written if written[each] == "yes"} == {each.value for each in ALERT_EVENTS}

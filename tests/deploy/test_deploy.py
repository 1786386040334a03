"""Settings, metrics and shapes in the files of deploy/ match the code."""

import configparser
import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from keyturn.config.checks import check_production
from keyturn.config.settings import Settings, read_settings
from keyturn.core.audit import AuditEventType
from keyturn.server.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
OTHER = "5d0c8a3f9e7b4126a1d94c6be80f27335d0c8a3f9e7b4126a1d94c6be80f2733"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def complete(variables: dict[str, str], tmp_path: Path) -> Settings:
    """Return the settings of a server with these variables and secret files. They must pass the production checks."""
    given = dict(variables)
    for name, value in (("KEYTURN_SECRET_FILE", SECRET), ("KEYTURN_SERVICE_TOKEN_FILE", OTHER)):
        assert name in given
        path = tmp_path / name
        path.write_text(value)
        given[name] = str(path)
    settings = read_settings(given)
    check_production(settings)
    return settings


@pytest.mark.parametrize("service", ["keys", "issuer-1", "issuer-2", "issuer-3"])
def test_compose_gives_every_issuer_settings_production_accepts(service: str, tmp_path: Path) -> None:
    issuer = compose()["services"][service]
    settings = complete(issuer["environment"], tmp_path)
    assert settings.environment == "production"
    assert issuer["read_only"]
    assert issuer["cap_drop"] == ["ALL"]


def test_compose_references_only_defined_services_and_secrets() -> None:
    whole = compose()
    services, secrets = whole["services"], whole["secrets"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert set(service.get("secrets", ())) <= set(secrets)
    for name in re.findall(r"server (issuer-\d):8000", (DEPLOY / "nginx" / "keyturn.conf").read_text()):
        assert name in services
    assert set(whole["volumes"]) == {"postgres"}


def test_no_secret_is_in_any_file() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert not re.search(r"\b[0-9a-f]{32,}\b", path.read_text()), path


def test_the_unit_starts_the_command_with_settings_that_exist(tmp_path: Path) -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as the library documents it
    text = (DEPLOY / "systemd" / "keyturn.service").read_text()
    unit.read_string(text)
    variables = dict(re.findall(r"^Environment=(KEYTURN_\w+)=(.*)$", text, re.M))
    more = {
        "KEYTURN_ISSUER": "https://auth.example.com",
        "KEYTURN_AUDIENCE": "https://api.example.com",
        "KEYTURN_STORE": "sqlite:////var/lib/keyturn/keyturn.db",
    }
    complete(variables | more, tmp_path)
    assert unit["Service"]["ExecStart"].startswith("/opt/keyturn/bin/keyturn serve ")
    for rule in ("NoNewPrivileges", "ProtectSystem", "PrivateTmp", "MemoryDenyWriteExecute"):
        assert unit["Service"][rule] in ("yes", "strict")
    assert {"Unit", "Service", "Install"} == set(unit.sections())


def test_values_fit_their_schema_and_name_settings_that_exist(tmp_path: Path) -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
    schema = json.loads((DEPLOY / "helm" / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    variables = {f"KEYTURN_{name.upper()}": str(value) for name, value in values["settings"].items()}
    files = {f"KEYTURN_{name.upper()}_FILE": "" for name in values["secretFiles"]}
    complete(variables | files, tmp_path)
    for wrong in ({"workers": 0}, {"settings": {"secret": "x"}}, {"colour": "blue"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values | wrong, schema)


def metrics() -> set[str]:
    families = Metrics(shared=False)._registry.collect()
    names = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    return names | {f"{name}_bucket" for name in names}


def expressions() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())["panels"]
    return [each["expr"] for each in rules] + [target["expr"] for each in panels for target in each["targets"]]


def test_alerts_and_dashboard_name_metrics_and_events_that_exist() -> None:
    found = expressions()
    assert len(found) >= 15
    events = {str(each.value) for each in AuditEventType}
    for expression in found:
        assert set(re.findall(r"keyturn_\w+", expression)) <= metrics(), expression
        assert set(re.findall(r'event="(\w+)"', expression)) <= events, expression
        assert expression.count("(") == expression.count(")")


def test_every_alert_is_explained() -> None:
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())["groups"][0]["rules"]
    page = (DEPLOY.parent / "docs" / "howto" / "deploy.md").read_text()
    assert {each["alert"] for each in rules} == set(re.findall(r"^\| `(Keyturn\w+)`", page, re.M))


def test_an_operator_command_uses_the_settings_of_the_unit(tmp_path: Path) -> None:
    """In another folder, with another secret, it would seal a key that the server cannot open."""
    etc, home = tmp_path / "etc", tmp_path / "home"
    etc.mkdir()
    home.mkdir()
    store = f"KEYTURN_STORE=sqlite:///{home}/keyturn.db"
    (etc / "environment").write_text(f"# a remark\nKEYTURN_ISSUER=https://a.example\nKEYTURN_AUDIENCE=x&y\n{store}")
    (etc / "secret").write_text(SECRET)
    (etc / "service-token").write_text(OTHER)
    given = {"ETC": etc, "HOME": home, "BIN": Path(sys.executable).with_name("keyturn"), "USER": getpass.getuser()}
    environment = {**os.environ, **{f"KEYTURN_{name}": str(value) for name, value in given.items()}}
    for command in (["keys", "add"], ["keys", "list"], ["doctor"]):
        ran = subprocess.run(
            [DEPLOY / "systemd" / "keyturn-operator", *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (home / "keyturn.db").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "keyturn-data").exists()


def test_the_image_copies_no_secret_files() -> None:
    """Copy no secret: a file stays in its image layer even if it is deleted later."""
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    assert " ".join(copied).split() == ["pyproject.toml", "README.md", "LICENSE", "src"]
    rules = [each for each in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if not each.startswith("#")]
    assert rules[0] == "*"
    assert {each[1:] for each in rules if each.startswith("!")} == set(" ".join(copied).split())
    assert "/deploy/secrets/" in (DEPLOY.parent / ".gitignore").read_text().splitlines()

"""The checks of Django, and ``manage.py keyturn`` over the users of the project."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from django.conf import settings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from integrations.django_users_project import (
    MIDDLEWARE,
    enter,
    open_client,
    subject,
    user_of,
)
from integrations.sync_issuer import SETTINGS
from keyturn.integrations.django import issuer


@pytest.fixture
def client() -> Iterator[Client]:
    with open_client() as client:
        yield client


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

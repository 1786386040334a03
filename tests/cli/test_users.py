"""``keyturn users`` and ``keyturn sessions``: what an operator sees and changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.command import CommandResult, in_process
from keyturn import Issuer
from keyturn.core.types import Subject
from keyturn.errors import LoginFailed, TokenRevoked

ADA, PASSWORD = "ada@example.com", "violet umbrella 7 o clock"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer.from_env(data_dir=str(tmp_path), background=False) as found:
        found.signup(ADA, PASSWORD)
        yield found


def run(issuer: Issuer, *arguments: str) -> CommandResult:
    return in_process(*arguments, "--data-dir", str(issuer.settings.data_dir))


def test_an_account_is_shown_by_either_name_and_without_its_hash(issuer: Issuer) -> None:
    subject = issuer.account(identifier=ADA).subject
    for name in (ADA, subject):
        shown = run(issuer, "users", "show", name, "--json")
        assert shown.json["subject"] == subject
        assert (shown.json["identifier"], shown.json["sessions"], shown.json["disabled"]) == (ADA, 1, False)
        assert "argon2" not in shown.stdout
    assert ADA in run(issuer, "users", "show", ADA).stdout


def test_accounts_are_listed_by_pages(issuer: Issuer) -> None:
    for name in ("bob", "carol"):
        issuer.signup(f"{name}@example.com", PASSWORD)
    issuer.disable(identifier=ADA)
    everyone = run(issuer, "users", "list", "--json")
    assert "argon2" not in everyone.stdout
    assert {each["identifier"]: each["disabled"] for each in everyone.json} == {
        ADA: True,
        "bob@example.com": False,
        "carol@example.com": False,
    }
    first = run(issuer, "users", "list", "--limit", "2", "--json").json
    rest = run(issuer, "users", "list", "--limit", "2", "--after", first[-1]["subject"], "--json").json
    assert first + rest == everyone.json
    assert "carol@example.com" in run(issuer, "users", "list").stdout
    for wrong in ("0", "1001", "-1"):
        refused = run(issuer, "users", "list", "--limit", wrong)
        assert (refused.code, refused.stdout) == (2, "")
        assert "from 1 to 1000" in refused.stderr


def test_a_disabled_account_is_out_until_it_is_enabled_and_logs_in(issuer: Issuer) -> None:
    issued = issuer.login(ADA, PASSWORD, deliver="both")
    done = run(issuer, "users", "disable", ADA, "--json").json
    assert (done["subject"], done["disabled"], done["within_seconds"]) == (issued.subject, True, 5)
    with pytest.raises(LoginFailed):
        issuer.login(ADA, PASSWORD)
    assert run(issuer, "users", "enable", ADA).stdout.startswith(f"enabled {ADA}; ")
    for token in (issued.session_token, issued.refresh_token):
        with pytest.raises(TokenRevoked):
            (issuer.verify if token is issued.session_token else issuer.refresh)(str(token))
    assert issuer.login(ADA, PASSWORD).subject == issued.subject


def test_python_disables_and_enables_by_identifier(issuer: Issuer) -> None:
    subject = issuer.account(identifier=ADA).subject
    assert issuer.disable(identifier=ADA).sequence < issuer.enable(subject).sequence
    assert not issuer.account(subject).disabled
    wrongs: list[dict[str, Any]] = [{}, {"subject": subject, "identifier": ADA}]
    for wrong in wrongs:
        with pytest.raises(TypeError, match="either a subject or an identifier"):
            issuer.disable(**wrong)


def test_scopes_are_stored_with_the_account(issuer: Issuer) -> None:
    said = run(issuer, "users", "scopes", ADA, "orders:read", "profile").stdout
    assert said == f"logins of {ADA} get orders:read profile, from the next one on\n"
    assert issuer.login(ADA, PASSWORD).session.scope == "orders:read profile"
    assert "no scopes" in run(issuer, "users", "scopes", ADA).stdout
    assert issuer.login(ADA, PASSWORD).session.scope == ""
    refused = run(issuer, "users", "scopes", ADA, "keyturn:admin")
    assert (refused.code, refused.stdout) == (2, "")
    assert "cannot be granted" in refused.stderr


def test_only_a_command_makes_an_administrator(issuer: Issuer) -> None:
    assert run(issuer, "users", "admin", ADA, "--json").json["is_admin"] is True
    assert run(issuer, "users", "admin", ADA, "--remove").stdout == f"{ADA} is no longer an administrator of Keyturn\n"
    assert not issuer.account(identifier=ADA).is_admin


def test_sessions_are_listed_and_one_is_ended(issuer: Issuer) -> None:
    issued = issuer.login(ADA, PASSWORD)
    listed = run(issuer, "sessions", "list", ADA, "--json")
    assert {each["sid"] for each in listed.json} == {each.sid for each in issuer.sessions(issued.subject)}
    assert "kt_" not in listed.stdout
    first = run(issuer, "sessions", "list", ADA, "--limit", "1", "--json").json
    assert [each["sid"] for each in first] == [listed.json[0]["sid"]]
    rest = run(issuer, "sessions", "list", ADA, "--after", first[0]["cursor"], "--json").json
    assert rest == listed.json[1:]
    for wrong in (("--after", "x"), ("--limit", "0")):
        assert run(issuer, "sessions", "list", ADA, *wrong).code == 2
    assert run(issuer, "sessions", "revoke", issued.sid, "--json").json["revoked"] is True
    with pytest.raises(TokenRevoked):
        issuer.verify(str(issued.session_token))


@pytest.mark.parametrize(
    "command",
    [("users", "show"), ("users", "disable"), ("users", "enable"), ("users", "admin"), ("sessions", "list")],
)
def test_a_misspelt_name_is_refused(issuer: Issuer, command: tuple[str, ...]) -> None:
    for name in ("bob@example.com", Subject("-nobody")):
        refused = run(issuer, *command, name)
        assert (refused.code, refused.stdout) == (2, "")
        assert f"no account has the subject or identifier {name}" in refused.stderr

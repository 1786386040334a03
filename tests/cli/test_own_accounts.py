"""``keyturn users``, ``sessions`` and ``revoke`` over the accounts of an application, by user name and by subject."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.command import CommandResult, in_process
from cli.shop import Customers
from keyturn import Issuer
from keyturn.core.types import Subject
from keyturn.errors import Forbidden, TokenRevoked

OURS = ("--accounts", "cli.shop:Customers")


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer.from_env(data_dir=str(tmp_path), background=False, accounts=Customers) as found:
        yield found


def run(issuer: Issuer, group: str, *arguments: str, options: tuple[str, ...] = OURS) -> CommandResult:
    return in_process(group, *options, *arguments, "--data-dir", str(issuer.settings.data_dir))


@pytest.mark.parametrize("name", ["ada", "Ada"])
def test_an_account_is_disabled_and_enabled_by_its_user_name(issuer: Issuer, name: str) -> None:
    issued = issuer.open_session(Subject("1"), deliver="cookie")
    done = run(issuer, "users", "disable", name, "--json").json
    assert (done["subject"], done["disabled"]) == ("1", True)
    with pytest.raises(Forbidden):
        issuer.open_session(Subject("1"))
    with pytest.raises(TokenRevoked):
        issuer.verify(str(issued.session_token))
    assert run(issuer, "users", "enable", name).stdout.startswith("enabled ada; ")
    shown = run(issuer, "users", "show", name, "--json").json
    assert (shown["subject"], shown["identifier"], shown["sessions"], shown["disabled"]) == ("1", "ada", 0, False)


def test_sessions_are_listed_and_ended_by_user_name(issuer: Issuer) -> None:
    mine, other = issuer.open_session(Subject("2")), issuer.open_session(Subject("1"))
    assert [each["sid"] for each in run(issuer, "sessions", "list", "grace", "--json").json] == [mine.sid]
    assert run(issuer, "revoke", "subject", "grace").stdout.startswith("revoked 1 live session; ")
    assert issuer.sessions(Subject("2")) == []
    assert run(issuer, "sessions", "revoke", other.sid, "--json").json["revoked"] is True


def test_a_name_of_two_accounts_is_refused_until_its_kind_is_given(issuer: Issuer) -> None:
    """The user name of one account is the subject of another: a ban must not meet the wrong one."""
    refused = run(issuer, "users", "disable", "1")
    assert (refused.code, refused.stdout) == (2, "")
    assert "--by" in refused.stderr
    for key, subject in (("subject", "1"), ("identifier", "3")):
        shown = run(issuer, "users", "show", "1", "--json", options=(*OURS, "--by", key)).json
        assert shown["subject"] == subject
    for key, name in (("subject", "grace"), ("identifier", "2")):
        assert run(issuer, "users", "show", name, options=(*OURS, "--by", key)).code == 2


def test_the_list_has_the_subjects_that_have_logged_in(issuer: Issuer) -> None:
    issuer.open_session(Subject("2"))
    for options in (OURS, ()):
        listed = run(issuer, "users", "list", "--json", options=options).json
        assert [each["identifier"] for each in listed] == ["own:2"]


@pytest.mark.parametrize(
    "accounts", ["", "x", "cli.shop", "cli.shop:Nothing", "nowhere.at_all:Customers", ":", "cli.shop:NAMES"]
)
def test_accounts_that_cannot_be_used_are_refused(issuer: Issuer, accounts: str) -> None:
    refused = run(issuer, "users", "show", "ada", options=("--accounts", accounts))
    assert (refused.code, refused.stdout) == (2, "")
    assert "accounts" in refused.stderr or not accounts


@pytest.mark.parametrize("name", ["bob", "999", ""])
def test_an_unknown_name_is_refused(issuer: Issuer, name: str) -> None:
    assert run(issuer, "users", "disable", name).code == 2

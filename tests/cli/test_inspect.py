"""``keyturn inspect``: what a credential holds, and whether it is accepted."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.command import CommandResult, in_process
from keyturn import Issuer

Inspect = Callable[..., CommandResult]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer.from_env(data_dir=str(tmp_path), background=False) as found:
        yield found


@pytest.fixture
def inspect(issuer: Issuer) -> Inspect:
    def run(text: str, *options: str) -> CommandResult:
        return in_process("inspect", "--data-dir", str(issuer.settings.data_dir), *options, stdin=text)

    return run


def test_a_live_credential_is_accepted_and_explained(issuer: Issuer, inspect: Inspect) -> None:
    issued = issuer.signup("ada@example.com", "violet umbrella 7 o clock", deliver="both")
    assert issued.access_token
    assert issued.session_token
    token = inspect(f"Bearer {issued.access_token.reveal()}\n", "--json").json
    assert (token["contents"]["sid"], token["contents"]["typ"]) == (issued.sid, "at+jwt")
    assert token["verdict"].startswith("accepted until 20")
    cookie = inspect(issued.session_token.reveal(), "--json").json
    assert cookie["contents"] == {"kind": "session", "session": issued.sid, "counter": "0"}
    assert issued.sid in inspect(issued.session_token.reveal()).stdout


def test_a_refused_credential_names_the_check_that_fails(issuer: Issuer, inspect: Inspect) -> None:
    issued = issuer.signup("ada@example.com", "violet umbrella 7 o clock", deliver="both")
    assert issued.access_token
    assert issued.refresh_token
    assert "would use it up" in inspect(issued.refresh_token.reveal()).stdout
    forged = issued.access_token.reveal()[:-8] + "AAAAAAAA"
    assert inspect(forged, "--json").json["verdict"].startswith("refused: token_invalid")
    issuer.logout(issued.sid)
    assert inspect(issued.access_token.reveal(), "--json").json["verdict"].startswith("refused: token_revoked")


@pytest.mark.parametrize("text", ["", "nonsense", "e30.e30", "a.b.c", "[].e30.x"])
def test_what_is_no_credential_is_an_error(inspect: Inspect, text: str) -> None:
    ran = inspect(text)
    assert (ran.code, ran.stdout) == (2, "") or "refused: token_malformed" in ran.stdout

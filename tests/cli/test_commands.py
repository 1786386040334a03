"""The operator's commands, beside a running server: what they say, and what the server does about it at once.

Most run in the process of the tests, which the server knows as little as any other; some in one of their own.
"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from cli.command import CommandResult, in_process, keyturn
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("operated") / "data"
    with run_server(data, algorithm="ES256", key_lifetime_seconds="7200", key_publish_ahead_seconds="600") as server:
        yield server


def run(server: ServerProcess, *arguments: str, stdin: str = "") -> CommandResult:
    return in_process(
        *arguments,
        "--data-dir",
        str(server.data),
        stdin=stdin,
        algorithm="ES256",
        key_lifetime_seconds="7200",
        key_publish_ahead_seconds="600",
    )


def login(server: ServerProcess, email: str, client_id: str = "default") -> dict[str, str]:
    body = {"email": email, "password": PASSWORD, "deliver": "tokens", "client_id": client_id}
    with server.client() as client:
        if client.post("/auth/signup", json=body).status_code not in (201, 409):
            raise AssertionError("no signup")
        reply = client.post("/auth/login", json=body)
        assert reply.status_code == 200
        return dict(reply.json())


def code(server: ServerProcess, issued: dict[str, str]) -> str:
    headers = {"authorization": f"Bearer {issued['access_token']}"}
    return str(httpx.get(server.url + "/auth/session", headers=headers).json().get("code", "live"))


def wait_for_key(question: Callable[[], str], answer: str) -> bool:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while question() != answer:
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


def test_keys_are_listed_and_added_and_the_server_takes_them_up(server: ServerProcess) -> None:
    (first,) = run(server, "keys", "list", "--json").json
    assert (first["algorithm"], first["state"]) == ("ES256", "active")
    added = run(server, "keys", "add", "--json").json
    assert added["state"] == "next"
    # Published long enough for every cached key set, and no longer.
    ahead = datetime.fromisoformat(added["active_at"]).timestamp() - time.time()
    assert 0 < ahead <= 600
    listed = run(server, "keys", "list", "--json").json
    assert [each["kid"] for each in listed] == [first["kid"], added["kid"]]
    assert added["kid"] in run(server, "keys", "list").stdout


def test_one_session_is_ended(server: ServerProcess) -> None:
    issued, other = login(server, "one@example.com"), login(server, "one@example.com")
    ended = run(server, "revoke", "session", issued["sid"], "--json")
    assert (ended.code, ended.json["revoked"], ended.json["within_seconds"]) == (0, True, 5)
    assert wait_for_key(lambda: code(server, issued), "token_revoked")
    assert code(server, other) == "live"


@pytest.mark.parametrize("kind", ["session", "subject", "client"])
@pytest.mark.parametrize("name", ["-abc", "--abc", "-_-4jJsonYes"])
def test_an_id_that_begins_with_a_dash_is_no_option(server: ServerProcess, kind: str, name: str) -> None:
    stdout = run(server, "revoke", kind, name)
    assert stdout.stdout.startswith("revoked;") if kind == "client" else stdout.stderr.startswith("not_found: ")


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("db restored", "db mark-restored"),
        ("db sessions-here", "db use-sql-sessions"),
        ("db sessions-lost", "db reset-redis-sessions"),
        ("revoke everything --yes", "revoke all"),
        ("keys withdraw 1-x", "keys remove"),
        ("serve --profile production", "--environment production"),
    ],
)
def test_a_former_command_is_refused_with_the_new_name(former: str, now: str) -> None:
    refused = in_process(*former.split())
    assert refused.code == 2
    assert now in refused.stderr


@pytest.mark.conforms("ASVS 7.4.5")
def test_a_subject_and_a_client_are_ended(server: ServerProcess) -> None:
    ada, grace = login(server, "ada@example.com"), login(server, "grace@example.com", client_id="tv")
    assert run(server, "revoke", "subject", ada["subject"]).stdout.startswith("revoked 2 live sessions; ")
    assert wait_for_key(lambda: code(server, ada), "token_revoked")
    again = login(server, "ada@example.com")
    assert "within 5 s" in run(server, "revoke", "subject", "Ada@Example.com").stdout
    assert wait_for_key(lambda: code(server, again), "token_revoked")
    assert code(server, grace) == "live"
    assert run(server, "revoke", "client", "tv", "--json").json["revoked"] is True
    assert wait_for_key(lambda: code(server, grace), "token_revoked")


@pytest.mark.conforms("ASVS 7.4.5")
def test_revoke_all_needs_a_confirmation_or_yes(server: ServerProcess) -> None:
    issued = login(server, "all@example.com")
    assert run(server, "revoke", "all", stdin="n\n").code == 1
    assert code(server, issued) == "live"
    assert run(server, "revoke", "all", "--yes", "--json").json["revoked"] is True
    assert wait_for_key(lambda: code(server, issued), "token_revoked")


def test_an_unknown_session_is_refused_with_a_message(server: ServerProcess) -> None:
    for sid in ("AAAAAAAAAAAAAAAAAAAAAA", "nonsense", "'; DROP TABLE sessions --"):
        refused = run(server, "revoke", "session", sid)
        assert (refused.code, refused.stdout) == (2, "")
        assert refused.stderr == "not_found: no such session\n"
    for who in ("nobody@example.com", "AAAAAAAAAAAAAAAAAAAAAA"):
        refused = run(server, "revoke", "subject", who)
        assert (refused.code, refused.stdout) == (2, "")
        assert refused.stderr == f"not_found: no account has the subject or identifier {who}\n"


@pytest.mark.parametrize(("command", "run"), [("keys add", keyturn), ("db upgrade", in_process)])
def test_a_command_reports_a_created_data_directory(
    tmp_path: Path, command: str, run: Callable[..., CommandResult]
) -> None:
    folder = tmp_path / "new"
    ran = run(*command.split(), "--data-dir", str(folder))
    assert ran.code == 0
    assert f"created the data directory {folder}" in ran.stderr
    assert run("keys", "list", "--data-dir", str(folder)).stderr == ""


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "no folder"])
@pytest.mark.parametrize(
    "command",
    [
        *("revoke all --yes", "revoke client web", "revoke subject ada@example.com", "revoke session x"),
        *("keys list", "keys remove 1-x", "db mark-restored", "db use-sql-sessions", "db reset-redis-sessions"),
    ],
)
def test_a_command_refuses_a_missing_data_directory(tmp_path: Path, command: str, there: bool) -> None:
    folder = tmp_path / "misspelt"
    if there:
        folder.mkdir()
    refused = in_process(*command.split(), "--data-dir", str(folder))
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Keyturn cannot do this:")
    assert (
        f"the database does not exist: {folder}/keyturn.db: run the command in the server's directory" in refused.stderr
    )
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])


@pytest.mark.parametrize("source", [["--from", "sqlite:///nothing.db"], ["--data-dir", "nowhere"]], ids=" ".join)
def test_db_copy_refuses_a_missing_source(tmp_path: Path, source: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = in_process("db", "copy", "--to", "sqlite:///new.db", *source)
    assert (refused.code, refused.stdout) == (2, "")
    assert "the database does not exist" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_refused_ends_with_the_same_code_and_words(tmp_path: Path) -> None:
    command = ("revoke", "all", "--yes", "--data-dir", str(tmp_path / "misspelt"))
    refused = keyturn(*command)
    assert (refused.code, refused.stdout) == (2, "")
    assert refused == in_process(*command)


def test_version_prints_the_version() -> None:
    assert re.fullmatch(r"keyturn \d+\.\d+\.\d+\S*\n", keyturn("--version").stdout)


def test_the_schema_is_brought_up_to_date_beside_a_running_server(server: ServerProcess) -> None:
    assert run(server, "db", "upgrade", "--json").json["upgraded"] is True
    assert "is up to date" in run(server, "db", "upgrade").stdout


def test_doctor_lists_the_problems_of_a_development_setup(server: ServerProcess) -> None:
    sick = run(server, "doctor", "--json")
    assert (sick.code, sick.json["fit"]) == (1, False)
    assert len(sick.json["problems"]) == 5
    assert "not fit for production" in run(server, "doctor").stdout


@pytest.mark.parametrize(
    ("command", "default"),
    [("serve", "keyturn-data"), ("serve", "development"), ("db copy", "the configured store")],
)
def test_a_help_text_shows_a_default_of_the_settings(command: str, default: str) -> None:
    text = in_process(*command.split(), "--help").stdout
    assert f"[default: ({default})]" in text

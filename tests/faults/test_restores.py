"""Databases put back from real backups without `keyturn db mark-restored`.

No revocation that was answered is ever unknown to a reader, although the log gives sequence numbers out a second time.
"""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyturn import Issuer, Verifier
from keyturn.errors import Refusal
from keyturn.flows import IssuedCredentials
from keyturn.verifier import HttpFeed
from server_process import ServerProcess
from server_process.process import PASSWORD
from services.postgres import Postgres, binary
from services.process import until

EMAIL = "ada@example.com"
BOUND_SECONDS = 2.0


@dataclass
class Database:
    """A database and its backup. ``url``: empty for SQLite in the data directory."""

    server: ServerProcess
    backup_file: Path
    url: str = ""

    def back_up(self) -> None:
        source, target = sqlite3.connect(self.server.data / "keyturn.db"), sqlite3.connect(self.backup_file)
        with closing(source), closing(target):
            source.backup(target)

    def restore(self) -> None:
        path = self.server.data / "keyturn.db"
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        shutil.copy(self.backup_file, path)


@dataclass
class PostgresDump(Database):
    """``pg_dump`` and ``psql``, or ``pg_dump -Fc`` and ``pg_restore``, into the same database."""

    is_custom: bool = False

    def back_up(self) -> None:
        style = ["-Fc"] if self.is_custom else ["--clean", "--if-exists"]
        self._run("pg_dump", *style, "-f", str(self.backup_file), self.url)

    def restore(self) -> None:
        if self.is_custom:
            self._run("pg_restore", "--clean", "--if-exists", "-d", self.url, str(self.backup_file))
        else:
            self._run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(self.backup_file), self.url)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([binary(program), *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(params=["sqlite", "pg_dump", "pg_dump -Fc"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    settings = {"KEYTURN_ALGORITHM": "ES256", "KEYTURN_REVOCATION_STALENESS_SECONDS": str(BOUND_SECONDS)}
    server = ServerProcess(tmp_path / "data", settings=settings)
    server.settings["KEYTURN_ISSUER"] = server.url
    if request.param == "sqlite":
        yield Database(server, tmp_path / "backup")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.database()
    server.settings |= {"KEYTURN_STORE": url, "KEYTURN_SERVICE_TOKEN": "5d0c8a3f9e7b4126a1d94c6be80f2733"}
    yield PostgresDump(server, tmp_path / "backup", url, is_custom=request.param == "pg_dump -Fc")
    postgres.drop(url)


@pytest.fixture
def server(database: Database) -> Iterator[ServerProcess]:
    database.server.start()
    yield database.server
    if database.server.process is not None and database.server.process.poll() is None:
        database.server.stop()


@pytest.fixture
def readers(server: ServerProcess) -> Iterator[dict[str, Verifier]]:
    """Return a verifier that streams the feed and one that polls it."""
    token = server.settings.get("KEYTURN_SERVICE_TOKEN") or (server.data / "service-token").read_text().strip()
    feed = HttpFeed(
        f"{server.url}/auth/revocations", token, interval_seconds=0.2, staleness_seconds=BOUND_SECONDS, stream=None
    )
    options = {"audience": server.url, "service_token": token, "staleness_seconds": BOUND_SECONDS}
    with ExitStack() as stack:
        streaming = stack.enter_context(closing(Verifier(server.url, **options)))  # type: ignore[arg-type]
        polling = stack.enter_context(closing(Verifier(server.url, feed=feed, **options)))  # type: ignore[arg-type]
        yield {"stream": streaming, "poll": polling}


def login(server: ServerProcess, path: str = "login") -> str:
    with server.client() as client:
        answer = client.post(f"/auth/{path}", json={"email": EMAIL, "password": PASSWORD, "deliver": "tokens"})
        token: str = answer.json()["access_token"]
        return token


def log_out(server: ServerProcess, token: str) -> int:
    with server.client() as client:
        answer = client.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
        sequence: int = answer.json()["sequence"]
        return sequence


def verdict(verify: Verifier, token: str) -> str:
    try:
        verify(token)
    except Refusal as refusal:
        return refusal.code
    return "accepted"


def open_issuer(database: Database) -> Issuer:
    settings = {name.removeprefix("KEYTURN_").lower(): value for name, value in database.server.settings.items()}
    settings["revocation_staleness_seconds"] = BOUND_SECONDS  # type: ignore[assignment]
    return Issuer.from_env(data_dir=str(database.server.data), **settings)  # type: ignore[arg-type]


def keyturn(server: ServerProcess, *arguments: str) -> None:
    command = [sys.executable, "-c", "from keyturn.cli import app; app()", *arguments, "--data-dir", str(server.data)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env=server.environment)


def own_verdict(server: ServerProcess, token: str) -> str:
    """Return the code of the issuer's refusal, or its status."""
    with server.client() as client:
        answer = client.get("/auth/session", headers={"Authorization": f"Bearer {token}"})
        return str(answer.json().get("code", answer.status_code))


def wait_for(verify: Verifier, token: str, expected: str, reader: str) -> None:
    until(lambda: verdict(verify, token) == expected, lambda: f"{reader}: {verdict(verify, token)}, not {expected}")


@pytest.mark.parametrize(
    ("evidence", "decision"),
    [("mark beside the database", "revoke all --yes"), ("position of a reader", "db confirm-restored --yes")],
)
def test_a_restored_database_serves_nothing_older_until_its_operator_decides(
    database: Database, server: ServerProcess, readers: dict[str, Verifier], evidence: str, decision: str
) -> None:
    login(server, "signup")
    kept, lost = login(server), login(server)
    assert {verdict(verify, each) for verify in readers.values() for each in (kept, lost)} == {"accepted"}
    database.back_up()
    first = log_out(server, lost)
    for verify in readers.values():
        assert verify.wait_for_sequence(first, wait_seconds=10)
    (mark,) = server.data.glob("log-mark-*.json")
    until(lambda: f'"sequence":{first},' in mark.read_text(), lambda: "no mark was saved")
    server.stop()
    database.restore()
    if evidence == "position of a reader":
        mark.unlink()
    # Before any reader returns, the log has grown to their sequence number again, with another entry.
    with open_issuer(database) as issuer:
        issued = issuer.login(EMAIL, PASSWORD, deliver="tokens")
        assert issuer.logout(issued.sid).sequence == first
    server.start()
    until(lambda: own_verdict(server, kept) == "store_restored", lambda: "the restore was not detected")
    assert own_verdict(server, lost) == "store_restored"
    new, ended = login(server), str(issued.access_token)
    assert own_verdict(server, new) == "200"
    for name, verify in readers.items():
        # The feed is withheld: past the bound, the verifier asks about each token, if it has introspection.
        wait_for(verify, kept, "revocation_unknown", name)
        assert verdict(verify, new) == ("accepted" if name == "stream" else "revocation_unknown"), name
        assert verdict(verify, lost) != "accepted", name
        assert verdict(verify, ended) != "accepted", name
    keyturn(server, *decision.split())
    expected = "accepted" if decision == "db confirm-restored --yes" else "token_revoked"
    for name, verify in readers.items():
        feed = verify.feed
        until(lambda feed=feed: issued.sid.encode() in feed.revocations.ended, lambda name=name: f"{name}: no snapshot")
        wait_for(verify, kept, expected, name)
        assert {verdict(verify, each) for each in (ended, lost)} == {"token_revoked"}, name
    assert own_verdict(server, kept) == {"accepted": "200"}.get(expected, expected)


def test_a_running_issuer_detects_a_database_that_is_restored_under_it(database: Database) -> None:
    """Its own follower reads the log by LISTEN on PostgreSQL, and by ``data_version`` on SQLite."""
    with open_issuer(database) as issuer:
        issuer.signup(EMAIL, PASSWORD)
        kept, lost = issuer.login(EMAIL, PASSWORD), issuer.login(EMAIL, PASSWORD)
        database.back_up()
        sequence = issuer.logout(lost.sid).sequence
        until(lambda: issuer.parts.session_cache.sequence == sequence, lambda: "the feed is late")
        database.restore()
        until(lambda: own_code(issuer, kept) == "store_restored", lambda: f"not detected: {own_code(issuer, kept)}")
        assert own_code(issuer, lost) != "accepted"
        new = issuer.login(EMAIL, PASSWORD)
        assert own_code(issuer, new) == "accepted"
        issuer.revoke_everything()
        assert issuer.parts.sync_store.resume_sessions()
        until(lambda: own_code(issuer, kept) == "token_revoked", lambda: "the older session is not revoked")


def own_code(issuer: Issuer, issued: IssuedCredentials) -> str:
    try:
        issuer.verify(str(issued.session_token))
    except Refusal as refusal:
        return refusal.code
    return "accepted"

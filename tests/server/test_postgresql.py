"""`keyturn serve` and the operator's commands on PostgreSQL: several workers, a database that freezes, restarts."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from cli.command import CommandResult, keyturn
from server.workers import connect_to_each_worker
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.postgres import Postgres
from services.process import until

WORKERS = 2
CONNECTIONS = 3
# For requests, for counting attempts, for what is not awaited and its counting, and the one that listens.
MOST_CONNECTIONS = WORKERS * (CONNECTIONS + 1 + CONNECTIONS + 1 + 1)
STALENESS_SECONDS = 4


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def server(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data, url = tmp_path_factory.mktemp("postgresql") / "data", database.database()
    settings = {"algorithm": "ES256", "hash_threads": "1", "revocation_staleness_seconds": str(STALENESS_SECONDS)}
    with run_server(data, workers=WORKERS, store=url, store_connections=str(CONNECTIONS), **settings) as server:
        yield server


def run_command(server: ServerProcess, *arguments: str) -> CommandResult:
    settings = {name.removeprefix("KEYTURN_").lower(): value for name, value in server.settings.items()}
    return keyturn(*arguments, "--data-dir", str(server.data), **settings)


def enter(server: ServerProcess, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Sign up a user. Return the issued credentials and a Cookie header."""
    body = {"email": f"{name}@example.com", "password": PASSWORD, "deliver": "both"}
    with server.client() as client:
        issued = client.post("/auth/signup", json=body).json()
        return issued, {"cookie": f"kt_session={client.cookies['kt_session']}"}


def test_a_revocation_by_one_worker_reaches_the_other(server: ServerProcess) -> None:
    issued, cookie = enter(server, "ada")
    bearer = {"authorization": f"Bearer {issued['access_token']}"}
    with connect_to_each_worker(server, WORKERS) as lines:
        one, other = lines.values()
        assert {line("/auth/session", **held)[0] for line in (one, other) for held in (cookie, bearer)} == {200}
        assert one("/auth/logout", "POST", **bearer)[0] == 200
        until(lambda: other("/auth/session", **bearer)[0] == 401, lambda: "still accepted")
        assert other("/auth/session", **cookie)[0] == 401


def test_no_more_connections_are_opened_than_the_settings_say(server: ServerProcess, database: Postgres) -> None:
    issued, _ = enter(server, "crowd")
    form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    name = server.settings["KEYTURN_STORE"].rpartition("/")[2]
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    with ThreadPoolExecutor(40) as pool:
        asks = [pool.submit(httpx.post, server.url + "/auth/token", data=form, timeout=30) for _ in range(100)]
        counts = [database.run(sql)[0][0] for _ in range(20)]
        assert {each.result().status_code for each in asks} == {200}
    assert WORKERS < max(counts) <= MOST_CONNECTIONS


def test_the_operators_commands_open_the_same_database(server: ServerProcess, database: Postgres) -> None:
    issued, _ = enter(server, "bob")
    assert run_command(server, "db", "upgrade").stdout == "the schema is up to date\n"
    told = run_command(server, "db", "upgrade", "--json")
    assert told.json["upgraded"]
    assert database.password not in told.stdout
    assert [key["state"] for key in run_command(server, "keys", "list", "--json").json] == ["active"]
    assert run_command(server, "revoke", "session", issued["sid"], "--json").json["revoked"]
    bearer = {"authorization": f"Bearer {issued['access_token']}"}
    asked = lambda: httpx.get(server.url + "/auth/session", headers=bearer).json().get("code")  # noqa: E731
    until(lambda: asked() == "token_revoked", lambda: "still accepted")


def test_a_missing_database_fails_the_start_without_its_password(database: Postgres, tmp_path: Path) -> None:
    away = database.url("nothing_of_this_name")
    ran = keyturn("db", "upgrade", "--data-dir", str(tmp_path / "data"), store=away)
    assert ran.code != 0
    assert "Traceback" not in ran.stderr
    assert database.password not in ran.stderr + ran.stdout


@pytest.mark.parametrize("harm", ["frozen", "killed"])
def test_a_database_that_does_not_reply_is_503(server: ServerProcess, database: Postgres, harm: str) -> None:
    issued, cookie = enter(server, harm)
    bearer = {"authorization": f"Bearer {issued['access_token']}"}
    form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    database.signal(signal.SIGSTOP if harm == "frozen" else signal.SIGKILL)
    try:
        time.sleep(STALENESS_SECONDS)
        # The database stays frozen until the requests are answered: none waits for it.
        with ThreadPoolExecutor(3) as pool:
            asks = [
                pool.submit(httpx.get, server.url + "/auth/session", headers=cookie, timeout=60),
                pool.submit(httpx.get, server.url + "/auth/session", headers=bearer, timeout=60),
                pool.submit(httpx.post, server.url + "/auth/token", data=form, timeout=60),
            ]
            replies = [each.result() for each in asks]
        assert [each.status_code for each in replies] == [503] * 3
        assert {each.json()["code"] for each in replies} <= {"store_unavailable", "revocation_unknown"}
        assert not any("set-cookie" in each.headers for each in replies)
        assert httpx.get(server.url + "/readyz", timeout=30).status_code == 503
    finally:
        if harm == "frozen":
            database.signal(signal.SIGCONT)
        else:
            assert database.process is not None
            database.process.wait(30)
            database.start()
    began = time.monotonic()
    until(lambda: httpx.get(server.url + "/readyz", timeout=30).status_code == 200, lambda: "it did not recover")
    print(f"\n{harm}: ready again {time.monotonic() - began:.2f} s after the database was")
    assert httpx.get(server.url + "/auth/session", headers=cookie, timeout=30).status_code == 200
    assert httpx.post(server.url + "/auth/token", data=form, timeout=30).status_code == 200

"""Transfer from SQLite to PostgreSQL with live sessions: killed, resumed, and every session stays valid."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError
from keyturn.stores.open import open_store
from keyturn.stores.sql import transfer
from keyturn.stores.sql.store import SqlStore
from keyturn.stores.sql.tables import metadata
from keyturn.stores.sql.transfer import copy_database
from keyturn.testing.contract.one_time import ROOMY, new_value
from keyturn.testing.contract.records import LATER, NOW, new_account, new_increment, new_session
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.fixtures import Fresh
from services.postgres import Postgres
from stores.open_connections import wait_until_unused

SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
BODY = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}


def keyturn(*arguments: str, data_dir: Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", "from keyturn.cli import app; app()", *arguments, "--json", "--data-dir", str(data_dir)],
        env={**os.environ, "KEYTURN_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_sessions_go_on_in_the_new_database(tmp_path: Path, fresh: Fresh) -> None:
    target, source = fresh("postgresql"), f"sqlite:///{tmp_path}/data/keyturn.db"
    with run_server(tmp_path / "data", algorithm="ES256", secret=SECRET) as old:  # noqa: SIM117 - it ends later than they
        with httpx.Client(base_url=old.url, timeout=30) as ada, httpx.Client(base_url=old.url, timeout=20) as eve:
            kept = ada.post("/auth/signup", json=BODY).json()
            ended = eve.post("/auth/login", json=BODY).json()
            eve_cookies = dict(eve.cookies)
            code, copied = keyturn("db", "copy", "--from", source, "--to", target, data_dir=tmp_path / "data")
            assert (code, copied["finished"]) == (1, False)
            eve.post("/auth/logout")
            kept = ada.post(
                "/auth/token", data={"grant_type": "refresh_token", "refresh_token": kept["refresh_token"]}
            ).json()
            cookies = dict(ada.cookies)
    code, copied = keyturn("db", "copy", "--from", source, "--to", target, data_dir=tmp_path / "data")
    assert (code, copied["finished"]) == (0, True)
    assert 0 < copied["changed"] < 20, "only what had changed"
    assert copied["rows"]["accounts"] == 1
    new = ServerProcess(tmp_path / "new", settings={**old.settings, "KEYTURN_STORE": target}, port=old.port)
    new.start()
    try:
        assert httpx.get(new.url + "/auth/session", cookies=cookies).status_code == 200
        bearer = {"authorization": f"Bearer {kept['access_token']}"}
        assert httpx.get(new.url + "/auth/session", headers=bearer).status_code == 200
        form = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"]}
        assert httpx.post(new.url + "/auth/token", data=form).status_code == 200
        assert httpx.get(new.url + "/auth/session", cookies=eve_cookies).status_code == 401
        old_bearer = {"authorization": f"Bearer {ended['access_token']}"}
        assert httpx.get(new.url + "/auth/session", headers=old_bearer).status_code == 401
        assert httpx.post(new.url + "/auth/login", json=BODY, timeout=30).status_code == 200
    finally:
        new.stop()
    with pytest.raises(ConfigurationError, match="was moved"):
        open_store(source)


def filled(url: str, count: int) -> None:
    store: Any = open_store(url)
    for number in range(count):
        session = new_session()
        store.sessions.insert(session)
        store.accounts.insert(new_account())
        if number % 3 == 0:
            store.sessions.increment_generation(new_increment(session.subject))
    store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", NOW, NOW, LATER))
    store.one_time.insert(new_value(), ROOMY, NOW)
    store.close()


KILLED_ON_THE_WAY = """
import os, signal, sys
from keyturn.stores.sql import transfer

def progress(table, done, total):
    if (table, done) == (sys.argv[3], int(sys.argv[4])):
        os.kill(os.getpid(), signal.SIGKILL)

transfer._BATCH = 20
transfer.copy_database(*sys.argv[1:3], progress)
"""


def test_a_killed_transfer_resumes(tmp_path: Path, fresh: Fresh) -> None:
    source, target = f"sqlite:///{tmp_path}/old.db", fresh("postgresql")
    filled(source, 60)
    for table, done in (("accounts", 40), ("sessions", 20)):
        command = [sys.executable, "-c", KILLED_ON_THE_WAY, source, target, table, str(done)]
        assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
        with pytest.raises(ConfigurationError, match="incomplete"):
            open_store(target)
    copied = copy_database(source, target)
    assert copied.finished
    assert copied.rows["sessions"] == copied.rows["accounts"] == 60
    existing = 60 + 20 + copied.rows["one_time_kinds"] - 1
    assert copied.changed == sum(copied.rows.values()) - existing, "what was there was written again"
    assert copied.rows["one_time"] == 1
    store = SqlStore(target)
    page = store.log.snapshot()
    assert (page.sequence, len(page.entries)) == (21, 21)
    store.close()


def test_every_table_is_copied_but_the_counters() -> None:
    assert set(transfer._TRANSFERRED) == {each for name, each in metadata.tables.items() if name != "counters"}


def test_only_an_empty_database_is_copied_into(tmp_path: Path, fresh: Fresh) -> None:
    source, target = f"sqlite:///{tmp_path}/old.db", fresh("postgresql")
    filled(source, 3)
    filled(target, 1)
    with pytest.raises(ConfigurationError, match="has other data"):
        copy_database(source, target)
    other = f"sqlite:///{tmp_path}/other.db"
    filled(other, 1)
    halfway = fresh("postgresql")
    reader: Any = open_store(source)
    reader.log.snapshot()
    assert not copy_database(source, halfway).finished
    with pytest.raises(ConfigurationError, match="has other data"):
        copy_database(other, halfway)
    reader.close()


def test_a_database_is_not_copied_into_itself(tmp_path: Path, fresh: Fresh) -> None:
    for url in (f"sqlite:///{tmp_path}/only.db", fresh("postgresql")):
        for count in (0, 2):
            filled(url, count)
            with pytest.raises(ConfigurationError, match="is the source"):
                copy_database(url, url)
            open_store(url).close()  # and it still serves


def test_back_from_postgresql_to_a_file(tmp_path: Path, fresh: Fresh, postgres: Postgres) -> None:
    source, target = fresh("postgresql"), f"sqlite:///{tmp_path}/new.db"
    filled(source, 10)
    wait_until_unused(postgres, source)
    copied = copy_database(source, target)
    assert copied.finished
    assert copied.rows["sessions"] == 10
    with pytest.raises(ConfigurationError, match="already"):
        copy_database(source, f"sqlite:///{tmp_path}/again.db")


def test_a_transfer_deletes_rows_deleted_at_the_source(tmp_path: Path, fresh: Fresh) -> None:
    source, target = f"sqlite:///{tmp_path}/old.db", fresh("postgresql")
    filled(source, 4)
    store: Any = open_store(source)
    store.log.snapshot()  # so that it has the file open
    assert not copy_database(source, target).finished
    store.sessions.purge(Instant(2**40))
    store.close()
    copied = copy_database(source, target)
    assert (copied.finished, copied.rows["sessions"], copied.rows["revocations"]) == (True, 0, 0)


def test_a_restored_database_says_so_and_its_readers_notice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/keyturn.db"
    (tmp_path / "data").mkdir()
    filled(url, 1)
    store: Any = open_store(url)
    number = store.log.snapshot().log_id
    code, verdict = keyturn("db", "mark-restored", data_dir=tmp_path / "data")
    assert (code, verdict["restored"]) == (0, True)
    assert store.log.snapshot().log_id != number
    store.close()

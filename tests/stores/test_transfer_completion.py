"""The last step of a transfer: killed midway, and with a disconnected server that returns later."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.open import open_async_store, open_store
from keyturn.stores.sql.transfer import copy_database
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract.records import new_increment, new_session
from services.fixtures import Fresh
from services.postgres import Postgres
from stores.open_connections import wait_until_unused

KILLED_BEFORE_IT_OPENS = """
import os, signal, sys
from keyturn.stores.sql import transfer
transfer._open_target = lambda there: os.kill(os.getpid(), signal.SIGKILL)
transfer.copy_database(*sys.argv[1:])
"""


def source_of(kind: str, tmp_path: Path, fresh: Fresh) -> str:
    return f"sqlite:///{tmp_path}/old.db" if kind == "sqlite" else fresh("postgresql")


def refused(url: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_between_closing_the_one_and_opening_the_other(
    kind: str, tmp_path: Path, fresh: Fresh, postgres: Postgres
) -> None:
    source, target = source_of(kind, tmp_path, fresh), f"sqlite:///{tmp_path}/new.db"
    store, session = open_store(source), new_session()
    store.sessions.insert(session)
    store.close()
    wait_until_unused(postgres, source)
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_IT_OPENS, source, target], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "was moved" in refused(source)
    assert "incomplete" in refused(target)
    copied = copy_database(source, target)
    assert (copied.finished, copied.rows["sessions"]) == (True, 1)
    assert "was moved" in refused(source)
    moved = open_store(target)
    assert moved.sessions.load(session.sid)
    moved.close()
    with pytest.raises(ConfigurationError, match="already"):
        copy_database(source, target)


@pytest.mark.parametrize("kind", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_a_disconnected_server_cannot_continue_on_the_moved_database(
    kind: str, tmp_path: Path, fresh: Fresh, postgres: Postgres
) -> None:
    """Otherwise it would acknowledge revocations in the old database, and accept sessions revoked in the new one."""
    source, target = fresh("postgresql"), f"sqlite:///{tmp_path}/new.db"
    store: Any = open_store(source)
    if "+" in kind:
        store.close()
        store = Blocking(open_async_store(source.replace("postgresql", kind, 1)))
    session = new_session()
    store.sessions.insert(session)
    store.log.snapshot()
    cut_off(source, postgres)
    assert copy_database(source, target).finished
    for ask in (
        lambda: store.sessions.load(session.sid),
        lambda: store.sessions.insert(new_session()),
        lambda: store.sessions.increment_generation(new_increment(session.subject)),
        lambda: store.log.snapshot(),
        lambda: store.log.after(0, 9),
        lambda: store.accounts.find("ada@example.com"),
    ):
        with pytest.raises(StoreUnavailable):
            ask()
    store.close()


def cut_off(source: str, postgres: Postgres) -> None:
    """End its connections, as a partition does, or a machine that slept."""
    name = source.rpartition("/")[2]
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    wait_until_unused(postgres, source)

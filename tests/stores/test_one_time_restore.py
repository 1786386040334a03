"""One-time values of a store that went back in time: a spent one may be live again there, so none is accepted."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interleavings.harness import OLD, T0, attempt, make_test_ports, realm, session_maker
from keyturn.core.log_mark import LogMark
from keyturn.core.one_time import InsertOutcome, OneTimeKind
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import Refusal, StoreQuarantined, StoreUnavailable
from keyturn.flows.drive import drive
from keyturn.flows.one_time import exchange_one_time, put_one_time, register_proof
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.contract.one_time import ROOMY, new_value, spend_value
from keyturn.testing.contract.records import LATER, NOW
from services import RedisServer
from services.postgres import Postgres
from services.process import until
from stores.monitored_redis import MonitoredStore

REALM = realm()
HOUR = 3600


def put_code(store: Any, now: Instant = T0) -> str:
    text = drive(put_one_time(OneTimeKind.CODE, "ada", b"", 60, now, REALM), make_test_ports(store))
    return text.reveal()


def exchange(store: Any, text: str, now: Instant = T0) -> str:
    """Return ``ok``, or the code of the refusal."""
    flow = exchange_one_time(OneTimeKind.CODE, text, session_maker(attempt(OLD), now, REALM), now, REALM)
    return ended(store, flow)


def register(store: Any, text: str, issued_at: int, now: int) -> str:
    return ended(store, register_proof(text, "ada", Instant(issued_at), Instant(now), REALM))


def ended(store: Any, flow: Any) -> str:
    try:
        drive(flow, make_test_ports(store))
    except Refusal as refusal:
        return refusal.code
    return "ok"


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[tuple[SqlStore, LogMark, dict[str, str]]]:
    """Yield a database that was put back, the last mark of its log, and the codes that were put before."""
    file, backup = tmp_path / "keyturn.db", tmp_path / "backup.db"
    with closing(SqlStore(f"sqlite:///{file}")) as store:
        assert register(store, "first", T0 - 60, T0 - 60) == "store_unavailable", "the store begins with it"
        codes = {name: put_code(store) for name in ("spent", "live")}
        source, target = sqlite3.connect(file), sqlite3.connect(backup)
        with closing(source), closing(target):
            source.backup(target)
        codes["after"] = put_code(store)
        assert exchange(store, codes["spent"]) == exchange(store, codes["after"]) == "ok"
        assert register(store, "jti", T0, T0) == "ok"
        store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", T0, T0, Instant(T0 + HOUR)))
        mark = store.log.after(0, 10).end
        assert mark is not None
    for ending in ("", "-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    shutil.copy(backup, file)
    with closing(SqlStore(f"sqlite:///{file}")) as store:
        yield store, mark, codes


def test_a_backup_has_spent_codes_live(restored: tuple[SqlStore, LogMark, dict[str, str]]) -> None:
    store, _, codes = restored
    assert exchange(store, codes["spent"]) == "ok", "otherwise the tests below prove nothing"


@pytest.mark.parametrize("action", ["suspended", "confirmed", "marked"])
def test_no_code_or_proof_from_before_a_restore_is_accepted(
    restored: tuple[SqlStore, LogMark, dict[str, str]], action: str
) -> None:
    store, mark, codes = restored
    if action == "marked":
        store.renew_log_id()
    else:
        assert store.log.mark_restored(mark, Instant(T0 + 1)) is True
    if action == "confirmed":
        assert store.resume_sessions() is True
    now = Instant(T0 + 30)
    assert {exchange(store, text, now) for text in codes.values()} == {"token_invalid"}
    assert register(store, "jti", T0, now) == register(store, "other", now, now) == "store_unavailable"
    assert exchange(store, put_code(store, now), now) == "ok"
    assert register(store, "new", now + 11, now + 11) == "ok"
    assert store.one_time.purge(Instant(T0 + HOUR)) > 3


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer(appendonly="no")
    server.start()
    yield server
    server.remove()


def test_values_from_before_a_failover_of_redis_are_not_found(server: RedisServer, tmp_path: Path) -> None:
    monitored = MonitoredStore(tmp_path / "keyturn.db", server.url, seconds=5)
    store = monitored.store
    spent, live = new_value(), new_value()
    outcomes = [store.one_time.insert(each, ROOMY, NOW).outcome for each in (spent, live)]
    assert outcomes == [InsertOutcome.STORED] * 2
    with server.client() as client:
        client.save()
    mark = spend_value(spent)
    assert store.one_time.replace(mark) is True
    server.kill()
    with pytest.raises(StoreUnavailable):
        store.one_time.load(spent.kind, spent.digest)
    server.start()
    until(lambda: store.quarantine.is_active)
    with pytest.raises(StoreQuarantined):
        store.one_time.replace(spend_value(live))
    until(lambda: not store.quarantine.is_active)
    assert [store.one_time.load(each.kind, each.digest) for each in (spent, live)] == [None, None]
    assert [store.one_time.replace(spend_value(each)) for each in (spent, live)] == [False, False]
    insertion = store.one_time.insert(new_value(), ROOMY, LATER)
    assert (insertion.outcome, insertion.complete_since) == (InsertOutcome.STORED, LATER)
    assert store.one_time.insert(live, ROOMY, LATER).outcome is InsertOutcome.EXISTS
    assert store.one_time.purge(LATER) == 3
    monitored.close()


def test_values_from_before_a_promotion_are_not_found() -> None:
    primary = Postgres()
    primary.start()
    standby = primary.standby()
    database = primary.database().rpartition("/")[2]
    url = primary.url(database).replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
    with closing(SqlStore(url)) as store:
        value = new_value()
        store.one_time.insert(value, ROOMY, NOW)
        counted = "SELECT count(*) FROM one_time"
        until(lambda: standby.run(counted, database) == [(1,)], lambda: "not replicated")
        standby.run("ALTER SYSTEM SET primary_conninfo = ''")
        standby.run("SELECT pg_reload_conf()")
        until(lambda: primary.run("SELECT count(*) FROM pg_stat_replication") == [(0,)], lambda: "still replicated")
        assert store.one_time.replace(spend_value(value)) is True
        primary.kill()
        standby.promote()
        until(lambda: _insertion(store) == LATER, lambda: "it did not find the new primary")
        assert store.one_time.load(value.kind, value.digest) is None
        assert store.one_time.replace(spend_value(value)) is False
    for each in (primary, standby):
        each.remove()


def _insertion(store: SqlStore) -> Instant | None:
    try:
        return store.one_time.insert(new_value(), ROOMY, LATER).complete_since
    except StoreUnavailable:
        return None

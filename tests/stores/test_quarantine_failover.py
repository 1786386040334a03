"""A Redis with sessions in it that fails over: noticed, waited out, read again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyturn.errors import NotDurable
from keyturn.testing.contract.records import new_session
from services import RedisCluster, RedisSentinels
from services.process import until
from stores.monitored_redis import SECONDS, MonitoredStore, insert_session, loads

Note = Callable[[str, object], None]


def test_a_sentinel_failover_is_noticed_and_missing_replicas_are_logged(tmp_path: Path, record_property: Note) -> None:
    servers = RedisSentinels(replicas=2)
    servers.start()
    try:
        monitored = MonitoredStore(tmp_path / "keyturn.db", servers.url, replicas=1)
        kept = insert_session(monitored.store)
        servers.primary.kill()
        killed_at = time.monotonic()
        until(lambda: monitored.store.quarantine.changes >= 1, seconds=60)
        until(lambda: not monitored.store.quarantine.is_active, seconds=60)
        until(lambda: loads(monitored.store, kept))
        record_property("figure", _log_text("sentinels", killed_at))
        for each in servers.servers:
            if each.running and each.info("replication")["role"] == "slave":
                each.kill()
        until(lambda: not _inserts(monitored.store))
        monitored.close()
    finally:
        servers.remove()


def _log_text(what: str, killed_at: float) -> str:
    seconds = time.monotonic() - killed_at
    return (
        f"failover: {what}: read again {seconds:.1f} s after the primary was killed, {SECONDS:g} s of them quarantine"
    )


def _inserts(store: Any) -> bool:
    try:
        store.sessions.insert(new_session())
    except NotDurable:
        return False
    return True


def test_a_failover_within_a_cluster_is_noticed(tmp_path: Path, record_property: Note) -> None:
    cluster = RedisCluster(replicas=1)
    cluster.start()
    try:
        monitored = MonitoredStore(tmp_path / "keyturn.db", cluster.url, replicas=1)
        kept = [insert_session(monitored.store) for _ in range(20)]
        cluster.servers[0].kill()
        killed_at = time.monotonic()
        until(lambda: monitored.store.quarantine.changes >= 1, seconds=60)
        until(lambda: not monitored.store.quarantine.is_active, seconds=60)
        until(lambda: all(loads(monitored.store, each) for each in kept), seconds=30)
        record_property("figure", _log_text("cluster of three primaries", killed_at))
        monitored.close()
    finally:
        cluster.remove()

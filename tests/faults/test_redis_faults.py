"""A Redis that dies, beside the database or with the sessions in it: the same must hold, under the same oracle."""

import time
from collections.abc import Callable
from pathlib import Path

from engines import RedisCluster, RedisSentinels, RedisServer
from faults.stage import Stage, staged
from faults.test_faults import _after_all_refused, _said

Note = Callable[[str, object], None]

QUARANTINE_SECONDS = 2


def _failed_over(stage: Stage, kill: Callable[[], object]) -> float:
    """Revoke, kill the primary, try to revoke. Answers seconds from the kill until all works again."""
    assert stage.revoke(stage.people[0])
    kill()
    killed_at = time.monotonic()
    for each in stage.people[1:3]:
        stage.revoke(each, seconds=3)
    stage.recovered()
    return time.monotonic() - killed_at


def test_a_failover_of_sentinels_under_a_service(tmp_path: Path, record_property: Note) -> None:
    servers = RedisSentinels(replicas=2)
    servers.start()
    try:
        settings = {"sessions": servers.url, "durable_replicas": "1", "quarantine_seconds": str(QUARANTINE_SECONDS)}
        with staged(tmp_path, **settings) as stage:
            seconds = _failed_over(stage, servers.primary.kill)
            told = _after_all_refused(stage)
        record_property("figure", _said("sentinels fail over, from the kill", told, seconds))
    finally:
        servers.remove()


def test_a_failover_within_a_cluster_under_a_service(tmp_path: Path, record_property: Note) -> None:
    cluster = RedisCluster(replicas=2)
    cluster.start()
    try:
        settings = {"sessions": cluster.url, "durable_replicas": "1", "quarantine_seconds": str(QUARANTINE_SECONDS)}
        with staged(tmp_path, **settings) as stage:
            seconds = _failed_over(stage, _holder(cluster).kill)
            told = _after_all_refused(stage)
        record_property("figure", _said("a primary of a cluster dies, from the kill", told, seconds))
    finally:
        cluster.remove()


def _holder(cluster: RedisCluster) -> RedisServer:
    """The primary that has the sessions of the one account there is."""
    for each in cluster.servers:
        if each.info("replication")["role"] == "master":
            with each.client() as client:
                if any(b"}s" in name for name in client.scan_iter()):
                    return each
    raise AssertionError("nobody has them")


def test_a_redis_beside_the_database_may_die(tmp_path: Path, record_property: Note) -> None:
    server = RedisServer()
    server.start()
    try:
        with staged(tmp_path, redis=server.url) as stage:
            assert stage.revoke(stage.people[0])
            server.kill()
            assert all(stage.revoke(each) for each in stage.people[1:4]), "it is asked for nothing that matters"
            server.start()
            seconds = stage.recovered()
            told = _after_all_refused(stage)
        record_property("figure", _said("Redis beside the database: kill -9", told, seconds))
    finally:
        server.remove()

"""A Redis that fails, beside the database or with the sessions in it: the same must hold, under the same oracle."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.environment import Stage, staged
from faults.fault_run import Fault, Note, conclude, endure
from services import RedisCluster, RedisSentinels, RedisServer
from services.process import limit_files

QUARANTINE_SECONDS = 2


def _kill_saved(server: RedisServer) -> None:
    # A second at most is lost, says ``appendfsync everysec``; whoever logged in within it logs in again.
    time.sleep(1.5)
    server.kill()


Do = Callable[[RedisServer], object]
FAULTS: dict[str, tuple[Do, Do]] = {
    "kill -9": (_kill_saved, RedisServer.start),
    "SIGSTOP": (lambda server: server.signal(signal.SIGSTOP), lambda server: server.signal(signal.SIGCONT)),
    "disk full": (lambda server: limit_files(server.process, 4096), lambda server: limit_files(server.process, None)),
}


ONE_REDIS = "tests/faults/test_redis_faults.py::test_the_sessions_in_one_redis[kill -9]"
SENTINELS = "tests/faults/test_redis_faults.py::test_a_failover_of_sentinels_under_a_service"

LONG = pytest.mark.long(stands_in=ONE_REDIS)


@pytest.mark.parametrize("name", [pytest.param(each, marks=() if each == "kill -9" else LONG) for each in FAULTS])
def test_the_sessions_in_one_redis(own_redis: RedisServer, tmp_path: Path, name: str, record_property: Note) -> None:
    begin, end = FAULTS[name]
    fault = Fault(f"sessions in Redis: {name}", lambda _: begin(own_redis), lambda _: end(own_redis))
    with staged(tmp_path, session_store=own_redis.url, quarantine_seconds=str(QUARANTINE_SECONDS)) as stage:
        endure(stage, fault, record_property)


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
        settings = {
            "session_store": servers.url,
            "redis_min_replicas": "1",
            "quarantine_seconds": str(QUARANTINE_SECONDS),
        }
        with staged(tmp_path, **settings) as stage:
            seconds = _failed_over(stage, servers.primary.kill)
            conclude(stage, "sentinels fail over, from the kill", seconds, record_property)
    finally:
        servers.remove()


@pytest.mark.long(stands_in=SENTINELS)
def test_a_failover_within_a_cluster_under_a_service(tmp_path: Path, record_property: Note) -> None:
    cluster = RedisCluster(replicas=2)
    cluster.start()
    try:
        settings = {
            "session_store": cluster.url,
            "redis_min_replicas": "1",
            "quarantine_seconds": str(QUARANTINE_SECONDS),
        }
        with staged(tmp_path, **settings) as stage:
            seconds = _failed_over(stage, _holder(cluster).kill)
            conclude(stage, "a primary of a cluster dies, from the kill", seconds, record_property)
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


def test_a_redis_beside_the_database_may_die(own_redis: RedisServer, tmp_path: Path, record_property: Note) -> None:
    with staged(tmp_path, redis_cache=own_redis.url) as stage:
        assert stage.revoke(stage.people[0])
        own_redis.kill()
        assert all(stage.revoke(each) for each in stage.people[1:4]), "it is asked for nothing that matters"
        own_redis.start()
        conclude(stage, "Redis beside the database: kill -9", stage.recovered(), record_property)

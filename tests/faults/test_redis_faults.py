"""Faults of Redis, as a cache beside the database and as the session store. The same invariants are checked."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.environment import FaultTest, run_fault_test
from faults.fault_run import Fault, Note, check_and_record, run_fault
from services import RedisCluster, RedisSentinels, RedisServer
from services.process import limit_files

QUARANTINE_SECONDS = 2


def _kill_after_fsync(server: RedisServer) -> None:
    # ``appendfsync everysec`` may lose the last second: logins within it would have to be repeated.
    time.sleep(1.5)
    server.kill()


Action = Callable[[RedisServer], object]
FAULTS: dict[str, tuple[Action, Action]] = {
    "kill -9": (_kill_after_fsync, RedisServer.start),
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
    with run_fault_test(tmp_path, session_store=own_redis.url, quarantine_seconds=str(QUARANTINE_SECONDS)) as test:
        run_fault(test, fault, record_property)


def _seconds_to_fail_over(test: FaultTest, kill: Callable[[], object]) -> float:
    """Revoke, kill the primary, try to revoke. Return the seconds from the kill to recovery."""
    assert test.revoke(test.users[0])
    kill()
    killed_at = time.monotonic()
    for each in test.users[1:3]:
        test.revoke(each, seconds=3)
    test.wait_for_recovery()
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
        with run_fault_test(tmp_path, **settings) as test:
            seconds = _seconds_to_fail_over(test, servers.primary.kill)
            check_and_record(test, "sentinels fail over, from the kill", seconds, record_property)
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
        with run_fault_test(tmp_path, **settings) as test:
            seconds = _seconds_to_fail_over(test, _primary_with_sessions(cluster).kill)
            check_and_record(test, "a primary of a cluster dies, from the kill", seconds, record_property)
    finally:
        cluster.remove()


def _primary_with_sessions(cluster: RedisCluster) -> RedisServer:
    """Return the primary that holds the sessions of the only account."""
    for each in cluster.servers:
        if each.info("replication")["role"] == "master":
            with each.client() as client:
                if any(b"}s" in name for name in client.scan_iter()):
                    return each
    raise AssertionError("no primary holds the sessions")


def test_a_redis_beside_the_database_may_die(own_redis: RedisServer, tmp_path: Path, record_property: Note) -> None:
    with run_fault_test(tmp_path, redis_cache=own_redis.url) as test:
        assert test.revoke(test.users[0])
        own_redis.kill()
        assert all(test.revoke(each) for each in test.users[1:4]), "it is asked for nothing that matters"
        own_redis.start()
        check_and_record(test, "Redis beside the database: kill -9", test.wait_for_recovery(), record_property)

"""Checks of a cached session make no round trip: no command reaches the server, and a frozen server has no effect."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keyturn import Issuer
from keyturn.stores.redis import scripts
from services.postgres import Postgres
from services.process import until
from services.redis import RedisServer

CHECKS = 100
SCANS = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'sessions'"


@contextmanager
def following(folder: Path, **stores: str) -> Iterator[tuple[Issuer, str]]:
    """Open an issuer with a fresh feed and a bound of one minute, and yield it with a token verified once."""
    with Issuer.from_env(data_dir=str(folder), revocation_staleness_seconds=60, **stores) as issuer:
        token = issuer.signup("ada@example.com", "a bicycle made of rain", deliver="both").session_token
        assert token is not None
        until(lambda: issuer.parts.session_cache.is_fresh, lambda: "no news of the feed")
        until(lambda: _recalled(issuer, token.reveal()), lambda: "it is never recalled")
        yield issuer, token.reveal()


def _recalled(issuer: Issuer, token: str) -> bool:
    before = issuer.parts.session_cache.hits
    issuer.verify(token)
    return issuer.parts.session_cache.hits > before


def test_a_cached_check_sends_no_command_to_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    opened = following(tmp_path, session_store=own_redis.url)
    with opened as (issuer, token), own_redis.client() as client, client.monitor() as monitored:
        for _ in range(CHECKS):
            sid = issuer.verify(token).sid
        client.echo("half-time")
        issuer.parts.session_cache.evict(sid)
        issuer.verify(token)
        client.echo("over")
        first, second = _loads(monitored.listen(), "half-time"), _loads(monitored.listen(), "over")
    assert (first, second) == (0, 1)


def _loads(heard: Iterator[dict[str, Any]], until_told: str) -> int:
    """How many sessions were asked for until then."""
    commands = iter(lambda: str(next(heard)["command"]), f"ECHO {until_told}")
    return sum(scripts.LOAD.digest in each for each in commands)


def test_a_cached_check_scans_no_table_of_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    scans = []
    for number, checks in enumerate((0, CHECKS)):
        url = postgres.database()
        with following(tmp_path / str(number), store=url) as (issuer, token):
            for _ in range(checks):
                issuer.verify(token)
        # A backend counts when it ends.
        name = url.rpartition("/")[2]
        until(lambda: _backends(postgres, name) == 0, lambda: "backends stay")  # noqa: B023 - at once
        scans.append(postgres.run(SCANS, name)[0][0])
    assert abs(scans[1] - scans[0]) < CHECKS // 4, "a scan for each check"


def _backends(postgres: Postgres, name: str) -> object:
    return postgres.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")[0][0]


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_frozen_server_is_not_missed(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: RedisServer | Postgres = request.getfixturevalue(f"own_{kind}")
    stores = {"session_store": server.url} if isinstance(server, RedisServer) else {"store": server.url()}
    with following(tmp_path, **stores) as (issuer, token):
        server.signal(signal.SIGSTOP)
        try:
            assert {issuer.verify(token).credential for _ in range(CHECKS)} == {"session"}
        finally:
            server.signal(signal.SIGCONT)

"""A verifier whose feed comes through Redis, from a real issuer, while Redis freezes, dies and comes back."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keyturn import Verifier
from keyturn.transports import RedisFeed
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from server_process.revocation import last_accepted_at
from services.redis import RedisServer

SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"
BOUND_SECONDS = 4.0


@pytest.fixture
def server(tmp_path: Path, own_redis: RedisServer) -> Iterator[ServerProcess]:
    settings = {"redis_cache": own_redis.url, "service_token": SERVICE_TOKEN, "revocation_staleness_seconds": "4"}
    with run_server(tmp_path / "data", algorithm="ES256", **settings) as server:
        yield server


def ended(server: ServerProcess, verify: Verifier, name: str) -> None:
    """Log in, verify, log out, and check the refusal within the bound."""
    body = {"email": f"{name}@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
    token = issued["access_token"]
    assert verify(token)
    assert httpx.post(server.url + "/auth/revoke", data={"token": issued["refresh_token"]}, timeout=30).json()[
        "revoked"
    ]
    revoked_at = time.monotonic()
    # Holds at any speed: a verifier that has had no news for the bound accepts nothing.
    assert last_accepted_at(verify, token) <= revoked_at + BOUND_SECONDS


def test_it_refuses_within_the_bound_whatever_redis_does(server: ServerProcess, own_redis: RedisServer) -> None:
    feed = RedisFeed(own_redis.url, server.url + "/auth/revocations", SERVICE_TOKEN, staleness_seconds=BOUND_SECONDS)
    verify = Verifier(server.url, server.url, feed=feed, service_token=SERVICE_TOKEN, staleness_seconds=BOUND_SECONDS)
    ended(server, verify, "before")
    own_redis.signal(signal.SIGSTOP)
    ended(server, verify, "frozen")
    own_redis.signal(signal.SIGCONT)
    ended(server, verify, "thawed")
    own_redis.kill()
    ended(server, verify, "dead")
    own_redis.start()
    ended(server, verify, "back")
    feed.close()

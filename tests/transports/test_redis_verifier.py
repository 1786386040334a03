"""A verifier whose feed comes through Redis, from a real issuer, while Redis freezes, dies and comes back."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keyturn import Verifier
from keyturn.transports import RedisFeed
from server_process import Served, serving
from server_process.process import PASSWORD
from server_process.revocation import last_accepted_at
from services.redis import RedisServer

SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"
BOUND_SECONDS = 4.0


@pytest.fixture
def served(tmp_path: Path, own_redis: RedisServer) -> Iterator[Served]:
    settings = {"redis_cache": own_redis.url, "service_token": SERVICE_TOKEN, "revocation_staleness_seconds": "4"}
    with serving(tmp_path / "data", algorithm="ES256", **settings) as served:
        yield served


def ended(served: Served, verify: Verifier, name: str) -> None:
    """Somebody logs in, is accepted, logs out, and is refused within the bound."""
    body = {"email": f"{name}@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued = httpx.post(served.url + "/auth/signup", json=body, timeout=30).json()
    token = issued["access_token"]
    assert verify(token)
    assert httpx.post(served.url + "/auth/revoke", data={"token": issued["refresh_token"]}, timeout=30).json()[
        "revoked"
    ]
    revoked_at = time.monotonic()
    # Holds at any speed: a verifier that has had no news for the bound accepts nothing.
    assert last_accepted_at(verify, token) <= revoked_at + BOUND_SECONDS


def test_it_refuses_within_the_bound_whatever_redis_does(served: Served, own_redis: RedisServer) -> None:
    feed = RedisFeed(own_redis.url, served.url + "/auth/revocations", SERVICE_TOKEN, staleness_seconds=BOUND_SECONDS)
    verify = Verifier(served.url, served.url, feed=feed, service_token=SERVICE_TOKEN, staleness_seconds=BOUND_SECONDS)
    ended(served, verify, "before")
    own_redis.signal(signal.SIGSTOP)
    ended(served, verify, "frozen")
    own_redis.signal(signal.SIGCONT)
    ended(served, verify, "thawed")
    own_redis.kill()
    ended(served, verify, "dead")
    own_redis.start()
    ended(served, verify, "back")
    feed.close()

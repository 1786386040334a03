"""Bytes of a session in Redis, beside those of the peers."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import redis
from redis import asyncio as redis_asyncio
from starsessions.stores.redis import RedisStore as StarStore

from bench.figures import Figure, Goal
from bench.sampling import QUICK, Plan, Series
from bench.synthetic_data import generate_sessions
from keyturn.core.types import Instant
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.runner import RedisRunner
from keyturn.stores.redis.sessions import Sessions
from services.redis import RedisServer

PEERS = Path(__file__).with_name("peers")
DAY = 86400
HEAVY = "a subject's list of sessions has its own key and expiry, 100 B; a session stores a label and an address"


def install_peers() -> None:
    """Install the peers that run on Node.js."""
    if not (PEERS / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PEERS, check=True, capture_output=True)


def measure_bytes(server: RedisServer, plan: Plan, chapter: str) -> Figure:
    """Measure the bytes per session of Keyturn and the peers."""
    count = 100_000 if plan.rounds > QUICK.rounds else 2_000
    fillers: dict[str, Callable[[int], None]] = {
        "Keyturn": lambda number: fill(server.url, number),
        "express-session": lambda number: _express(server.url, number),
        "starsessions": lambda number: asyncio.run(_starsessions(server.url, number)),
        "Django": lambda number: _django(server.url, number),
    }
    series = []
    for name, filler in fillers.items():
        with server.client() as client:
            client.flushall()
            before = _used(client)
            filler(count)
            series.append(Series(name, [(_used(client) - before) / count]))
    figure = Figure(chapter, f"bytes per session, {count:,} of them", "B", series)
    figure.goals = [
        Goal("at most 270 B, the index of each subject's sessions included", series[0].middle, 270.0, why=HEAVY)
    ]
    figure.note = "Keyturn alone indexes sessions by subject; difference of used_memory"
    plan.tick()
    return figure


def fill(url: str, count: int, progress: Callable[[int], None] = lambda _: None) -> None:
    """Insert ``count`` sessions of different subjects with the scripts of the store, a thousand per round trip.

    Calls ``progress(n)`` after each ``n`` sessions.
    """
    now = Instant(int(time.time()))
    runner, sessions, pending = RedisRunner(read_redis_address(url)), Sessions(), []
    try:
        for session in generate_sessions(count, now, Instant(now + 30 * DAY)):
            pending.append(next(sessions.insert(session)))
            if len(pending) == 1000:
                runner.run(_all(pending))
                progress(len(pending))
                pending = []
        if pending:
            runner.run(_all(pending))
    finally:
        runner.close()


def _all(calls: list[Any]) -> Any:
    yield calls


def _express(url: str, count: int) -> None:
    install_peers()
    subprocess.run(["node", "fill.mjs", url, str(count)], cwd=PEERS, check=True)


async def _starsessions(url: str, count: int) -> None:
    store = StarStore(connection=redis_asyncio.from_url(url))
    body = {"user_id": "Il8dtOY6zhi231QroNnKcQ", "__metadata__": {"lifetime": DAY, "created": 1e9, "last_access": 1e9}}
    for _ in range(0, count, 100):
        await asyncio.gather(
            *(store.write(os.urandom(16).hex(), msgspec.json.encode(body), DAY, DAY) for _ in range(100))
        )
    await store._connection.aclose()


def _django(url: str, count: int) -> None:
    from django.conf import settings as django_settings

    if not django_settings.configured:
        django_settings.configure(
            SECRET_KEY="a secret for nothing but figures",
            CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}},
        )
    from django.contrib.sessions.backends.cache import SessionStore

    for number in range(count):
        store = SessionStore()
        store["_auth_user_id"] = str(number)
        store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
        store["_auth_user_hash"] = os.urandom(32).hex()
        store.save(must_create=True)


def _used(client: "redis.Redis") -> int:
    info: Any = client.info("memory")
    return int(info["used_memory"])

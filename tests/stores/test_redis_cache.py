"""The shared session cache on a real Redis: entries are authenticated, and an outage does not delay requests."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from keyturn.core.feed import LogCursor
from keyturn.core.sealed import Secrets
from keyturn.core.session import CachedSession, ClientInfo, LoadedSession, RevocationFloor, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.cache import CACHE_DEADLINE_SECONDS, AsyncRedisCache, RedisCache
from keyturn.stores.redis.circuit_breaker import MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS, CircuitBreaker
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until
from services.redis import RedisCluster, RedisServer

SECRETS = Secrets(b"s" * 32)
NOW = Instant(2_000_000_000)
SID = SessionId("AbCdEfGhIjKlMnOpQrStuA")
OTHER = SessionId("ZbCdEfGhIjKlMnOpQrStuA")


@pytest.fixture(autouse=True)
def deadline_seconds(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> float:
    """Longest wait for an answer of Redis: ample, for a busy machine, unless a test is given another."""
    seconds: float = getattr(request, "param", 30.0)
    monkeypatch.setattr("keyturn.stores.redis.cache.CACHE_DEADLINE_SECONDS", seconds)
    return seconds


def copy_of(sid: SessionId = SID, log: int = 7, **changes: Any) -> CachedSession:
    client = ClientInfo("web", "Firefox", "192.0.2.1")
    session = Session(sid, Subject("ada"), Seed(b"x" * 32), client, 3, NOW, NOW, NOW, Instant(NOW + 9999))
    return CachedSession(
        LoadedSession(replace(session, **changes), RevocationFloor(3, Instant(5))), LogCursor(log, 42), NOW
    )


class SyncAndAsyncCache:
    """A cache of either colour, asked the same way."""

    def __init__(self, colour: str, url: str, secrets: Secrets) -> None:
        self._loop = asyncio.new_event_loop() if colour == "async" else None
        make: Any = AsyncRedisCache if self._loop else RedisCache
        self.cache = make(read_redis_address(url), secrets)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = getattr(self.cache, verb)(*arguments)
            return self._loop.run_until_complete(answer) if self._loop else answer

        return call

    def end(self) -> None:
        self.close()
        if self._loop:
            self._loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, server: RedisServer) -> Iterator[Callable[..., SyncAndAsyncCache]]:
    made: list[SyncAndAsyncCache] = []

    def make(secrets: Secrets = SECRETS, url: str = "") -> SyncAndAsyncCache:
        made.append(SyncAndAsyncCache(request.param, url or server.url, secrets))
        return made[-1]

    with server.client() as client:
        client.flushall()
    yield make
    for each in made:
        each.end()


def test_a_session_that_one_process_caches_is_read_by_another(make: Callable[..., SyncAndAsyncCache]) -> None:
    one, other = make(), make()
    copy = copy_of(claims={"role": "admin"}, amr=("pwd", "otp"), rotations=4, rotated_at=NOW)
    assert other.get(SID, 7) is None
    one.put(copy)
    assert other.get(SID, 7) == copy
    assert other.get(SID, 8) is None
    assert other.get(OTHER, 7) is None
    assert (other.cache.counts.hits, other.cache.counts.misses, other.cache.counts.failures) == (1, 3, 0)


def test_a_forged_or_changed_cached_session_is_ignored(
    make: Callable[..., SyncAndAsyncCache], server: RedisServer
) -> None:
    make().put(copy_of())
    with server.client() as client:
        (name,) = client.keys()
        value = client.get(name)
        assert isinstance(value, bytes)
        forged = [value[:-1] + bytes((value[-1] ^ 1,)), value[1:], value[:16], b"", b"\0" * len(value), value + b"\0"]
        for each in forged:
            client.set(name, each)
            assert make().get(SID, 7) is None
        # A valid entry under the key of another session, or of another log.
        for sid, log in ((OTHER, 7), (SID, 8)):
            client.set(b"kt:copy:%d:%s" % (log, sid.encode()), value)
            assert make().get(sid, log) is None
        client.set(name, value)
    assert make(Secrets(b"t" * 32)).get(SID, 7) is None
    assert make(Secrets(b"t" * 32, b"s" * 32)).get(SID, 7) == copy_of()


def test_a_cached_session_expires_after_ten_minutes(
    make: Callable[..., SyncAndAsyncCache], server: RedisServer
) -> None:
    make().put(copy_of())
    with server.client() as client:
        (name,) = client.keys()
        assert 500 < client.ttl(name) <= 600  # type: ignore[operator]  # the client is not awaited


def test_a_redis_that_is_away_or_frozen_is_a_miss_and_soon_not_even_asked(
    make: Callable[..., SyncAndAsyncCache],
) -> None:
    cache = make(url="redis://127.0.0.1:1")
    assert cache.get(SID, 7) is None
    cache.put(copy_of())
    assert cache.cache.counts.failures == 1
    assert cache.cache.breaker.is_open


@pytest.mark.parametrize("deadline_seconds", [CACHE_DEADLINE_SECONDS], indirect=True)
@pytest.mark.timeout(90)
def test_the_cache_is_used_again_after_an_outage(make: Callable[..., SyncAndAsyncCache], server: RedisServer) -> None:
    cache = make()

    def remembers() -> bool:
        cache.put(copy_of())
        return cache.get(SID, 7) is not None

    until(remembers)
    server.signal(signal.SIGSTOP)
    # Redis stays frozen until this returns: the call does not wait for it.
    assert cache.get(SID, 7) is None
    server.signal(signal.SIGCONT)
    until(lambda: cache.get(SID, 7) is not None)
    assert not cache.cache.breaker.is_open


def test_the_cache_works_on_a_cluster_and_without_one(make: Callable[..., SyncAndAsyncCache]) -> None:
    cluster = RedisCluster()
    cluster.start()
    try:
        cache = make(url=cluster.url)
        cache.put(copy_of())
        assert cache.get(SID, 7) == copy_of()
    finally:
        cluster.remove()
    gone = make(url="redis+cluster://127.0.0.1:1")
    assert gone.get(SID, 7) is None
    gone.put(copy_of())


def test_a_breaker_lets_one_through_after_each_pause_and_the_pauses_grow() -> None:
    now = [0.0]
    breaker = CircuitBreaker(lambda: now[0])
    assert breaker.allow()
    breaker.record_failure()
    assert not breaker.allow()
    now[0] += MIN_BACKOFF_SECONDS
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    for _ in range(20):
        breaker.record_failure()
    now[0] += MAX_BACKOFF_SECONDS
    assert breaker.allow()
    breaker.record_success()
    assert [breaker.allow() for _ in range(3)] == [True] * 3


def test_an_issuer_serves_on_when_its_redis_cache_dies(tmp_path: Path) -> None:
    server = RedisServer()
    server.start()
    try:
        with run_server(tmp_path / "data", workers=2, algorithm="ES256", redis_cache=server.url) as issuer:
            body = {"email": "ada@example.com", "password": PASSWORD}
            with issuer.client() as client:
                assert client.post("/auth/signup", json=body).status_code == 201
                for _ in range(10):
                    assert client.get("/auth/session").status_code == 200
                assert client.get("/readyz").json()["redis"] is True
                with server.client() as redis:
                    until(lambda: bool(redis.exists("{kt:feed}")))
                    assert redis.keys("kt:copy:*")
                server.kill()
                statuses = [client.get("/auth/session").status_code for _ in range(50)]
                assert statuses == [200] * 50
                assert httpx.post(issuer.url + "/auth/login", json=body, timeout=30).status_code == 200
                assert client.get("/readyz").status_code == 200
                cookies = dict(client.cookies)
                assert client.post("/auth/logout").status_code == 200
            until(lambda: {_asked(issuer, cookies) for _ in range(10)} == {401}, lambda: "still accepted")
            assert (
                'keyturn_session_cache_requests_total{cache="redis",result="hit"}'
                in httpx.get(issuer.url + "/metrics").text
            )
    finally:
        server.remove()


def _asked(issuer: ServerProcess, cookies: dict[str, str]) -> int:
    return httpx.get(issuer.url + "/auth/session", cookies=cookies, timeout=30).status_code

"""A first start with sessions in Redis that is refused, or killed at any step, loses no session and blocks no start."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from keyturn import Issuer
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.open import RedisSessions, bind_redis, open_async_store, open_store
from keyturn.stores.redis import runner as redis_runner
from keyturn.stores.redis import store as redis_store
from keyturn.stores.sql.markers import read_markers
from services.fixtures import Fresh
from services.redis import RedisServer

PASSWORD = "violet umbrella 7 o clock"
KINDS = ["sqlite", "postgresql"]


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/keyturn.db"
    fresh: Fresh = request.getfixturevalue("fresh")
    return fresh("postgresql+psycopg")


@contextmanager
def issuer_of(folder: Path, url: str, session_store: str = "") -> Iterator[Issuer]:
    settings: dict[str, Any] = {"session_store": session_store} if session_store else {}
    with Issuer.from_env(data_dir=str(folder), store=url, background=False, **settings) as issuer:
        yield issuer


def sign_up(folder: Path, url: str, session_store: str = "", name: str = "ada") -> str:
    with issuer_of(folder, url, session_store) as issuer:
        issued = issuer.signup(f"{name}@example.com", PASSWORD, deliver="cookie")
    assert issued.session_token is not None
    return issued.session_token.reveal()


def is_live(folder: Path, url: str, token: str, session_store: str = "") -> bool:
    with issuer_of(folder, url, session_store) as issuer:
        return issuer.verify(token).credential == "session"


def counters(url: str) -> dict[str, int]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return read_markers(connection)
    finally:
        engine.dispose()


# --- refused ------------------------------------------------------------------------------------------------------


@contextmanager
def replica_of(server: RedisServer) -> Iterator[RedisServer]:
    replica = RedisServer(replicaof=f"127.0.0.1 {server.port}")
    replica.start()
    try:
        yield replica
    finally:
        replica.remove()


def deny(server: RedisServer, *rules: str) -> RedisSessions:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">violet", "~*", "&*", "+@all", *rules)
    return RedisSessions(f"redis://limited:violet@127.0.0.1:{server.port}/0")


def configure(server: RedisServer, **settings: str) -> RedisSessions:
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name.replace("_", "-"), value)
    return RedisSessions(server.url)


WRONG: dict[str, Callable[[RedisServer], RedisSessions]] = {
    "without its replicas": lambda server: configure(server, min_replicas_to_write="1"),
    "with fewer replicas than configured": lambda server: RedisSessions(server.url, replicas=1),
    "evicting": lambda server: configure(server, maxmemory="50mb", maxmemory_policy="allkeys-lru"),
    "full": lambda server: configure(server, maxmemory="1", maxmemory_policy="noeviction"),
    "with a wrong password": lambda server: RedisSessions(f"redis://limited:no@127.0.0.1:{server.port}/0"),
    "with rights to other keys": lambda server: deny(server, "resetkeys", "~app:*"),
    "with rights to the log only": lambda server: deny(server, "resetkeys", "~{log}*"),
    "without scripts": lambda server: deny(server, "-@scripting"),
    "without a command of the scripts": lambda server: deny(server, "-xadd"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_first_start_with_a_wrong_redis_is_refused_and_changes_nothing(
    kind: str, wrong: str, url: str, tmp_path: Path, own_redis: RedisServer
) -> None:
    check_refused(tmp_path, url, own_redis, WRONG[wrong](own_redis))


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_start_with_a_replica_is_refused_and_changes_nothing(
    kind: str, url: str, tmp_path: Path, own_redis: RedisServer
) -> None:
    with replica_of(own_redis) as replica:
        check_refused(tmp_path, url, own_redis, RedisSessions(replica.url))


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_first_start_with_an_unreachable_redis_is_refused_and_changes_nothing(
    kind: str, url: str, tmp_path: Path, own_redis: RedisServer
) -> None:
    own_redis.kill()
    try:
        token = sign_up(tmp_path, url)
        check_opens_nowhere(url, RedisSessions(own_redis.url))
        assert is_live(tmp_path, url, token)
    finally:
        own_redis.start()
    sign_up(tmp_path, url, own_redis.url, "bob")


def check_refused(folder: Path, url: str, right: RedisServer, wrong: RedisSessions) -> None:
    token = sign_up(folder, url)
    before = counters(url)
    check_opens_nowhere(url, wrong)
    assert counters(url) == before
    with right.client() as client:
        assert client.keys("*") == []
        for name, value in (("min-replicas-to-write", "0"), ("maxmemory", "0"), ("maxmemory-policy", "noeviction")):
            client.config_set(name, value)
    assert is_live(folder, url, token), "the old settings go on"
    other = sign_up(folder, url, right.url, "bob")
    assert is_live(folder, url, other, right.url)


def check_opens_nowhere(url: str, wrong: RedisSessions) -> None:
    for opened in (open_store, open_async_store):
        with pytest.raises((ConfigurationError, StoreUnavailable), match="session_store"):
            opened(url, redis_sessions=wrong)
    with pytest.raises((ConfigurationError, StoreUnavailable)):
        bind_redis(url, wrong)


# --- killed -------------------------------------------------------------------------------------------------------


def start_until(step: int, url: str, session_store: str) -> bool:
    """Open the store in a process that is killed before its step number ``step``. True if it was not reached."""
    child = os.fork()
    if child == 0:
        try:
            _kill_at(step)
            open_store(url, redis_sessions=RedisSessions(session_store))
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), "the start failed, it was not killed"
    return status == 0


def _kill_at(step: int) -> None:
    """Count what the binding asks the database and Redis, and what they have answered."""
    left = step
    bind_database, send = redis_store.bind_database, redis_runner._send

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def send_counting(request: Any) -> Any:
        count()
        return send(request)

    def bind_counting(runner: Any, engine: Any) -> Any:
        event.listen(engine, "before_cursor_execute", count)
        redis_runner._send = send_counting
        number = bind_database(runner, engine)
        count()
        return number

    redis_store.bind_database = bind_counting


KILLED = "tests/stores/test_first_start_with_redis.py::"
KILLED += "test_a_first_start_killed_at_any_step_is_finished_or_taken_back_by_the_next[sqlite]"


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long(stands_in=KILLED), id="postgresql")]
)
def test_a_first_start_killed_at_any_step_is_finished_or_taken_back_by_the_next(
    kind: str, tmp_path: Path, empty_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    taken_back = step = 0
    reached_end = False
    while not reached_end:
        url = (
            f"sqlite:///{tmp_path}/{step}.db"
            if kind == "sqlite"
            else request.getfixturevalue("fresh")("postgresql+psycopg")
        )
        with empty_redis.client() as client:
            client.flushdb()
        token = sign_up(tmp_path, url)
        reached_end = start_until(step, url, empty_redis.url)
        if "apart" not in counters(url):
            assert is_live(tmp_path, url, token), f"killed at step {step}: taken back with the old settings"
            taken_back += 1
        other = sign_up(tmp_path, url, empty_redis.url, "bob")
        assert is_live(tmp_path, url, other, empty_redis.url), f"killed at step {step}: finished with the right ones"
        with pytest.raises(ConfigurationError, match="KEYTURN_SESSION_STORE"):
            open_store(url)
        left = [value for name, value in counters(url).items() if name.startswith("reserved")]
        assert set(left) <= {counters(url)["apart"]}, "no other Redis is reserved"
        step += 1
    assert taken_back > 5
    assert step > taken_back + 1, "it was killed after it was bound, too"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_redis_of_a_killed_start_is_refused_once_another_is_bound(
    kind: str, url: str, tmp_path: Path, empty_redis: RedisServer, own_redis: RedisServer
) -> None:
    sign_up(tmp_path, url)
    step = 0
    while not read_identity(own_redis):
        assert not start_until(step, url, own_redis.url)
        step += 1
    assert "apart" not in counters(url)
    token = sign_up(tmp_path, url, empty_redis.url, "bob")
    with pytest.raises(ConfigurationError, match="another database"):
        open_store(url, redis_sessions=RedisSessions(own_redis.url))
    assert is_live(tmp_path, url, token, empty_redis.url)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_redis_reserved_by_another_database_is_refused_and_nothing_is_bound(
    kind: str, url: str, tmp_path: Path, empty_redis: RedisServer
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    step = 0
    while not read_identity(empty_redis):
        assert not start_until(step, other, empty_redis.url)
        step += 1
    token = sign_up(tmp_path, url)
    with pytest.raises(ConfigurationError, match="another database"):
        open_store(url, redis_sessions=RedisSessions(empty_redis.url))
    assert is_live(tmp_path, url, token)
    open_store(other, redis_sessions=RedisSessions(empty_redis.url)).close()


def read_identity(server: RedisServer) -> Any:
    with server.client() as client:
        return client.hget("{log}c", "d")

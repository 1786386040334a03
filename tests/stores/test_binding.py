"""Whether a Redis may hold the sessions of a database is asked before anything is served."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyturn import Issuer
from keyturn.cli import app
from keyturn.core.revocation import RevocationKind
from keyturn.errors import ConfigurationError
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from services.fixtures import Fresh
from services.process import until
from services.redis import RedisServer
from services.shared import OUTSIDE
from stores.monitored_redis import MonitoredStore

PASSWORD = "a bicycle made of rain"


def database(tmp_path: Path, name: str = "keyturn") -> str:
    return f"sqlite:///{tmp_path}/{name}.db"


def log_text(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(each.getMessage() for each in caplog.records if each.name == "keyturn.store")


@pytest.mark.parametrize("url", ["redis://:another@127.0.0.1:{}/0", "redis://127.0.0.1:{}/0"])
def test_a_wrong_password_is_a_start_up_error(url: str, own_redis: RedisServer, tmp_path: Path) -> None:
    with own_redis.client() as client:
        client.config_set("requirepass", "violet")
    try:
        for opened in (open_store, open_async_store):
            with pytest.raises(ConfigurationError, match="password") as refused:
                opened(database(tmp_path), redis_sessions=RedisSessions(url.format(own_redis.port)))
            assert "another" not in str(refused.value)
    finally:
        with own_redis.client(password="violet") as client:
            client.config_set("requirepass", "")


def test_a_redis_user_without_permission_is_a_start_up_error(own_redis: RedisServer, tmp_path: Path) -> None:
    with own_redis.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">violet", "~*", "+info", "+get")
    with pytest.raises(ConfigurationError, match="NoPermissionError"):
        open_store(
            database(tmp_path), redis_sessions=RedisSessions(f"redis://reader:violet@127.0.0.1:{own_redis.port}/0")
        )


def test_one_that_evicts_is_refused_and_one_that_cannot_is_not(own_redis: RedisServer, tmp_path: Path) -> None:
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
        client.config_set("maxmemory", "100mb")
        with pytest.raises(ConfigurationError, match="noeviction"):
            open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url))


def test_one_without_a_file_is_warned_of(
    own_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "keyturn.store")
    open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    assert log_text(caplog) == ""
    with own_redis.client() as client:
        client.config_set("appendonly", "no")
    open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    assert "append-only" in log_text(caplog)


def test_one_that_is_away_after_the_first_start_is_warned_of(
    own_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "keyturn.store")
    open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    own_redis.kill()
    open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    assert "nothing listens" in log_text(caplog)
    with pytest.raises(ConfigurationError, match="KEYTURN_SESSION_STORE"):
        open_store(database(tmp_path))
    own_redis.start()
    open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()


def test_a_database_that_an_earlier_version_left_without_its_redis_is_bound(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    open_store(database(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / "keyturn.db")) as connection, connection:
        connection.execute("INSERT INTO counters VALUES ('apart', 0)")
    with pytest.raises(ConfigurationError, match="KEYTURN_SESSION_STORE"):
        open_store(database(tmp_path))
    for _ in range(2):
        open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    with own_redis.client() as client, closing(sqlite3.connect(tmp_path / "keyturn.db")) as connection:
        (number,) = connection.execute("SELECT value FROM counters WHERE name = 'apart'").fetchone()
        assert int(client.hget("{log}c", "d")) == number


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_another_empty_redis_is_refused(
    kind: str, empty_redis: RedisServer, own_redis: RedisServer, tmp_path: Path, fresh: Fresh
) -> None:
    url = database(tmp_path) if kind == "sqlite" else fresh("postgresql")
    open_store(url, redis_sessions=RedisSessions(empty_redis.url)).close()
    for wrong in (own_redis.url, empty_redis.at(OUTSIDE).url):
        for opened in (open_store, open_async_store):
            with pytest.raises(ConfigurationError, match="reset-redis-sessions"):
                opened(url, redis_sessions=RedisSessions(wrong))
    open_store(url, redis_sessions=RedisSessions(empty_redis.url)).close()


def test_the_redis_of_another_database_is_refused(empty_redis: RedisServer, tmp_path: Path) -> None:
    open_store(database(tmp_path, "one"), redis_sessions=RedisSessions(empty_redis.url)).close()
    with pytest.raises(ConfigurationError, match="another database"):
        open_store(database(tmp_path, "two"), redis_sessions=RedisSessions(empty_redis.url))


def test_one_emptied_under_a_running_process_stays_the_right_one(own_redis: RedisServer, tmp_path: Path) -> None:
    monitored = MonitoredStore(tmp_path / "keyturn.db", own_redis.url)
    try:
        with own_redis.client() as client:
            client.flushall()
            until(lambda: bool(client.hget("{log}c", "d")))
        open_store(database(tmp_path), redis_sessions=RedisSessions(own_redis.url)).close()
    finally:
        monitored.close()


def test_an_emptied_redis_is_reset_and_earlier_sessions_are_refused(
    empty_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTURN_DATA_DIR", str(tmp_path))
    run = CliRunner()
    assert run.invoke(app, ["db", "reset-redis-sessions"]).exit_code == 2, "there is no Redis"
    monkeypatch.setenv("KEYTURN_SESSION_STORE", empty_redis.url)
    with Issuer.from_env(background=False) as issuer:
        issuer.signup("ada@example.com", PASSWORD)
    with empty_redis.client() as client:
        client.flushdb()
    with pytest.raises(ConfigurationError, match="reset-redis-sessions"), Issuer.from_env(background=False):
        pass
    for _ in range(2):
        assert run.invoke(app, ["db", "reset-redis-sessions"]).exit_code == 0
    with closing(open_store(database(tmp_path), redis_sessions=RedisSessions(empty_redis.url))) as store:
        verdict = {each.kind for each in store.log.snapshot().entries}
    assert verdict == {RevocationKind.EVERYTHING}, "it is what a verifier refuses her access token by"


@pytest.mark.parametrize("name", ["redis_min_replicas", "quarantine_seconds"])
def test_settings_of_the_redis_session_store_are_refused_without_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"KEYTURN_{name.upper()} without KEYTURN_SESSION_STORE"):
        Issuer.from_env(data_dir=str(tmp_path), background=False, **{name: 1})


def test_a_redis_beside_a_store_in_memory_is_refused(empty_redis: RedisServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="memory"):
        Issuer.from_env(data_dir=str(tmp_path), store="memory:", redis_cache=empty_redis.url, background=False)

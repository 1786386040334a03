"""A database whose sessions are in Redis: reads and revocations of sessions in SQL are refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyturn import Issuer
from keyturn.cli import app
from keyturn.errors import ConfigurationError, Refusal
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.stores.sql.transfer import copy_database
from services.fixtures import Fresh
from services.redis import RedisServer

PASSWORD = "a bicycle made of rain"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_with_sessions_in_redis_needs_the_setting(
    kind: str, empty_redis: RedisServer, tmp_path: Path, fresh: Fresh
) -> None:
    url = f"sqlite:///{tmp_path}/keyturn.db" if kind == "sqlite" else fresh("postgresql")
    open_store(url).close()
    for _ in range(2):
        open_store(url, redis_sessions=RedisSessions(empty_redis.url)).close()
    for opened in (open_store, open_async_store):
        with pytest.raises(ConfigurationError, match="KEYTURN_SESSION_STORE"):
            opened(url)


def test_it_goes_with_the_database_in_a_move(empty_redis: RedisServer, tmp_path: Path) -> None:
    old, new = f"sqlite:///{tmp_path}/old.db", f"sqlite:///{tmp_path}/new.db"
    open_store(old, redis_sessions=RedisSessions(empty_redis.url)).close()
    assert copy_database(old, new).finished
    with pytest.raises(ConfigurationError, match="KEYTURN_SESSION_STORE"):
        open_store(new)
    open_store(new, redis_sessions=RedisSessions(empty_redis.url)).close()


def test_sessions_revoked_in_redis_stay_revoked_after_the_return_to_sql(
    empty_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(tmp_path)
    monkeypatch.setenv("KEYTURN_DATA_DIR", data)
    with Issuer.from_env(data_dir=data, background=False) as issuer:
        ada = issuer.signup("ada@example.com", PASSWORD, deliver="both")
    with Issuer.from_env(data_dir=data, session_store=empty_redis.url, background=False) as issuer:
        issuer.revoke_everything()
    run = CliRunner()
    assert run.invoke(app, ["revoke", "all", "--yes"]).exit_code == 2, "it would end nothing"
    monkeypatch.setenv("KEYTURN_SESSION_STORE", empty_redis.url)
    assert run.invoke(app, ["db", "use-sql-sessions"]).exit_code == 2
    monkeypatch.delenv("KEYTURN_SESSION_STORE")
    for _ in range(2):
        assert run.invoke(app, ["db", "use-sql-sessions"]).exit_code == 0
    assert ada.session_token is not None
    with Issuer.from_env(data_dir=data, background=False) as issuer, pytest.raises(Refusal):
        issuer.verify(ada.session_token.reveal())

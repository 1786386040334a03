"""Fixtures for every suite: the servers that a run shares, and what each test finds empty in them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyturn.stores.open import RedisSessions
from keyturn.stores.sql.store import SqlStore
from services.databases import Databases, template_of
from services.postgres import Postgres
from services.redis import RedisCluster, RedisSentinels, RedisServer
from services.run import locked, numbered, run_folder
from services.shared import OUTSIDE, shared

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Fresh = Callable[[str], str]


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """Return the PostgreSQL of the run. Tests that stop, freeze or kill a server start their own."""
    server: Postgres = shared("postgres")
    return server


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """Return the name of a template database with the current schema: a copy takes a tenth of a second."""
    file = run_folder() / "template"
    with locked("template"):
        if not file.exists():
            file.write_text(template_of(postgres))
    return file.read_text()


@pytest.fixture(scope="session")
def databases(postgres: Postgres, template: str) -> Databases:
    """Return the databases of this worker."""
    return Databases(postgres, template)


@pytest.fixture
def fresh(databases: Databases) -> Iterator[Fresh]:
    """Answers the URL of an empty database with today's schema for a scheme: ``postgresql``, ``postgresql+psycopg``."""
    yield lambda scheme="postgresql": databases.acquire().replace("postgresql", scheme, 1)
    databases.empty()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with the current schema: copying it takes a fifth of creating one."""
    file = tmp_path_factory.mktemp("template") / "keyturn.db"
    SqlStore(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def file_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of an empty SQLite database with the current schema."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Yield the Redis of the run, with a database per worker. Tests that stop or configure one start their own."""
    server: RedisServer = shared("redis")
    with numbered("redis", range(1, OUTSIDE)) as number:
        yield server.at(number)


@pytest.fixture
def empty_redis(redis_server: RedisServer) -> RedisServer:
    """Return the Redis of the run, flushed."""
    with redis_server.client() as client:
        client.flushdb()
    return redis_server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One of the test's own, to stop, freeze or kill."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One of the test's own, to stop, freeze or kill."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def empty_cluster() -> Iterator[RedisCluster]:
    """Yield the Redis Cluster of the run, flushed, for exclusive use."""
    cluster: RedisCluster = shared("cluster")
    with locked("cluster"):
        cluster.flush()
        yield cluster


@pytest.fixture
def empty_sentinels() -> Iterator[RedisSentinels]:
    """Yield the primary, replica and sentinels of the run, flushed, for exclusive use."""
    sentinels: RedisSentinels = shared("sentinels")
    with locked("sentinels"):
        with sentinels.primary.client() as client:
            client.flushall()
        yield sentinels


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Run a headless Chromium for the tests of a module. They cannot call ``asyncio.run``."""
    from services.browser import chromium  # not for the workers that need no browser: half a second

    with chromium() as started:
        yield started


def sessions_in_redis(kind: str, request: pytest.FixtureRequest) -> RedisSessions | None:
    """Where sessions of a store of this kind are, if not in its database: in a ``redis``, or in a ``redis cluster``."""
    if "redis" not in kind:
        return None
    fixture = "empty_cluster" if "cluster" in kind else "empty_redis"
    return RedisSessions(request.getfixturevalue(fixture).url)

"""Fixtures for every suite: the servers that a run shares, and what each test finds empty in them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from keyturn.stores.open import RedisSessions
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
    """The server of the run. Tests that stop, freeze or kill one start their own."""
    server: Postgres = shared("postgres")
    return server


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The name of a database with today's schema: copied in a tenth of a second."""
    file = run_folder() / "template"
    with locked("template"):
        if not file.exists():
            file.write_text(template_of(postgres))
    return file.read_text()


@pytest.fixture(scope="session")
def databases(postgres: Postgres, template: str) -> Databases:
    """The databases of this worker."""
    return Databases(postgres, template)


@pytest.fixture
def fresh(databases: Databases) -> Iterator[Fresh]:
    """Answers the URL of an empty database with today's schema for a scheme: ``postgresql``, ``postgresql+psycopg``."""
    yield lambda scheme="postgresql": databases.acquire().replace("postgresql", scheme, 1)
    databases.empty()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis of the run, at this worker's own database. Tests that stop, freeze, kill or set one start their own."""
    server: RedisServer = shared("redis")
    with numbered("redis", range(1, OUTSIDE)) as number:
        yield server.at(number)


@pytest.fixture
def empty_redis(redis_server: RedisServer) -> RedisServer:
    """That one, with nothing in it."""
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
    """The cluster of three primaries of the run, with nothing in it, for this test alone."""
    cluster: RedisCluster = shared("cluster")
    with locked("cluster"):
        cluster.flush()
        yield cluster


@pytest.fixture
def empty_sentinels() -> Iterator[RedisSentinels]:
    """The primary, replica and sentinels of the run, with nothing in them, for this test alone."""
    sentinels: RedisSentinels = shared("sentinels")
    with locked("sentinels"):
        with sentinels.primary.client() as client:
            client.flushall()
        yield sentinels


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium for the tests of a module, none of which may call ``asyncio.run``."""
    from services.browser import chromium  # not for the workers that need no browser: half a second

    with chromium() as started:
        yield started


def sessions_in_redis(kind: str, request: pytest.FixtureRequest) -> RedisSessions | None:
    """Where sessions of a store of this kind are, if not in its database: in a ``redis``, or in a ``redis cluster``."""
    if "redis" not in kind:
        return None
    fixture = "empty_cluster" if "cluster" in kind else "empty_redis"
    return RedisSessions(request.getfixturevalue(fixture).url)

"""Fixtures for every suite: one PostgreSQL server per pytest worker, a new database with today's schema in
it, one Redis, one cluster of them."""

from collections.abc import Callable, Iterator

import pytest

from engines.postgres import Postgres
from engines.redis import RedisCluster, RedisServer
from keyturn.stores.opening import Apart
from keyturn.stores.sql.store import SqlStore

Fresh = Callable[[str], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server. Tests that stop, freeze or kill one start their own."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The name of a database with today's schema: copied in a tenth of a second."""
    url = postgres.database()
    SqlStore(url).close()
    return url.rpartition("/")[2]


@pytest.fixture
def fresh(postgres: Postgres, template: str) -> Iterator[Fresh]:
    """Makes a database with today's schema; answers its URL for a scheme: ``postgresql``, ``postgresql+psycopg``."""
    made: list[str] = []

    def database(scheme: str = "postgresql") -> str:
        url = postgres.database(template)
        made.append(url)
        return url.replace("postgresql", scheme, 1)

    yield database
    for url in made:
        postgres.drop(url)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for each pytest worker. Tests that stop, freeze or kill one start their own."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def empty_redis(redis_server: RedisServer) -> RedisServer:
    """That one, with nothing in it."""
    with redis_server.client() as client:
        client.flushall()
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


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of three primaries for each pytest worker."""
    cluster = RedisCluster()
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture
def empty_cluster(redis_cluster: RedisCluster) -> RedisCluster:
    """That one, with nothing in it."""
    redis_cluster.flush()
    return redis_cluster


def apart_of(kind: str, request: pytest.FixtureRequest) -> Apart | None:
    """Where sessions of a store of this kind are, if not in its database: in a ``redis``, or in a ``redis cluster``."""
    if "redis" not in kind:
        return None
    fixture = "empty_cluster" if "cluster" in kind else "empty_redis"
    return Apart(request.getfixturevalue(fixture).url)

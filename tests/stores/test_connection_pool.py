"""The connection pool of the SQL stores: which connection it hands out, and which it closes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, PoolProxiedConnection, create_engine
from sqlalchemy.pool import NullPool

from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.address import read_sql_address
from keyturn.stores.sql.connection_pool import ConnectionPool
from keyturn.stores.sql.psycopg_driver import HOOKS, make_engine
from services.postgres import Postgres


class Server:
    """Which database connections the other end has closed, as the driver's check sees it."""

    def __init__(self) -> None:
        self.closed: list[Any] = []

    def alive(self, connection: Any) -> bool:
        return connection not in self.closed


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path}/keyturn.db", poolclass=NullPool)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pool(engine: Engine, server: Server) -> Iterator[ConnectionPool]:
    pool = ConnectionPool(engine, 2, 0.01, server.alive)
    yield pool
    pool.close()


def is_open(connection: PoolProxiedConnection) -> bool:
    return connection.is_valid


def test_a_dead_idle_connection_is_closed_and_replaced(pool: ConnectionPool, server: Server) -> None:
    dead = pool.acquire()
    driver_connection = dead.driver_connection
    pool.release(dead)
    server.closed.append(driver_connection)
    accepted = pool.acquire()
    assert accepted.driver_connection is not driver_connection
    assert not is_open(dead)
    assert accepted.cursor().execute("SELECT 1").fetchone() == (1,)
    pool.discard(accepted)


def test_a_live_idle_connection_is_reused(pool: ConnectionPool) -> None:
    first = pool.acquire()
    pool.release(first)
    again = pool.acquire()
    assert again is first
    assert is_open(again)
    pool.discard(again)


def test_replacing_dead_connections_keeps_the_pool_at_its_size(pool: ConnectionPool, server: Server) -> None:
    for _ in range(3):
        accepted = [pool.acquire(), pool.acquire()]
        with pytest.raises(StoreUnavailable, match="all connections stayed in use until the timeout"):
            pool.acquire()
        server.closed += [each.driver_connection for each in accepted]
        for each in accepted:
            pool.release(each)


def test_renewing_closes_idle_connections_at_once_and_used_ones_before_their_next_use(pool: ConnectionPool) -> None:
    idle, used = pool.acquire(), pool.acquire()
    pool.release(idle)
    pool.reset()
    assert not is_open(idle)
    assert is_open(used)
    pool.release(used)
    accepted = [pool.acquire(), pool.acquire()]
    assert not is_open(used)
    assert all(map(is_open, accepted))
    for each in accepted:
        pool.discard(each)


def test_a_discarded_connection_is_closed_and_idle_ones_only_if_every_one_is(pool: ConnectionPool) -> None:
    idle, used = pool.acquire(), pool.acquire()
    pool.release(idle)
    pool.discard(used)
    assert (is_open(idle), is_open(used)) == (True, False)
    pool.discard(pool.acquire(), include_idle=True)
    assert not is_open(idle)


def test_closing_the_pool_closes_every_idle_connection(pool: ConnectionPool) -> None:
    accepted = [pool.acquire(), pool.acquire()]
    for each in accepted:
        pool.release(each)
    pool.close()
    assert not any(map(is_open, accepted))


def test_a_postgresql_connection_that_the_server_ended_is_not_handed_out(postgres: Postgres) -> None:
    address = read_sql_address(postgres.url())
    assert address is not None
    engine = make_engine(address, 5, durable=True)
    pool = ConnectionPool(engine, 1, 1, HOOKS.is_alive)
    first = pool.acquire()
    (pid,) = first.cursor().execute("SELECT pg_backend_pid()").fetchone()
    pool.release(first)
    postgres.run(f"SELECT pg_terminate_backend({pid}, 5000)")
    second = pool.acquire()
    assert second.cursor().execute("SELECT pg_backend_pid()").fetchone() != (pid,)
    pool.discard(second)

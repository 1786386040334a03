"""PostgreSQL driver over psycopg: connections with a client-side deadline."""

import select
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from keyturn.errors import StoreUnavailable
from keyturn.stores.sql.address import CONNECT_SECONDS, SqlAddress
from keyturn.stores.sql.driver_hooks import DriverHooks
from keyturn.stores.sql.postgresql import check_server, connection_setup_sql

DEFAULT_DEADLINE_SECONDS = 60.0
"""Longest wait for a result without an explicit deadline, as in migrations."""

# If the server's machine disappears, unacknowledged data ends the connection within seconds.
_CONNECT_PARAMETERS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}

# One type for all integers: otherwise each width of each parameter would prepare another statement.
_adapters = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8Dumper)

_R = TypeVar("_R")


class _Context:
    adapters = _adapters
    connection = None


class DeadlineConnection(psycopg.Connection[Any]):
    """Connection with a deadline: ``give_up_at`` in monotonic seconds.

    The server's own timeouts do not help against a frozen server or a network partition.
    """

    give_up_at: float | None = None

    def wait(self, gen: PQGen[_R], interval: float = 0.1, timeout: float | None = None) -> _R:
        remaining = (
            DEFAULT_DEADLINE_SECONDS if self.give_up_at is None else max(0.0, self.give_up_at - time.monotonic())
        )
        return super().wait(gen, interval, remaining if timeout is None else min(remaining, timeout))


def set_deadline(connection: DeadlineConnection, give_up_at: float) -> None:
    """Set the deadline of all further calls on ``connection``, in monotonic seconds."""
    connection.give_up_at = give_up_at


def is_alive(connection: DeadlineConnection) -> bool:
    """Return True if an idle connection is usable: a server sends nothing unasked except when it closes."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


HOOKS = DriverHooks(is_alive=is_alive, set_deadline=set_deadline)


class PsycopgConnector:
    """Opens connections to the primary among the servers, trying the last known primary first."""

    def __init__(self, address: SqlAddress, deadline_seconds: float, *, durable: bool) -> None:
        self._address = address
        self._hosts = address.hosts
        self._setup_sql = connection_setup_sql(deadline_seconds, durable=durable)
        self._primary = 0

    def __call__(self) -> DeadlineConnection:
        """Connect to the primary. Raises ``psycopg.Error``, or ``StoreUnavailable`` if the last server is a standby."""
        start, count = self._primary, len(self._hosts)
        failure: Exception = StoreUnavailable("the URL has no host")
        for index in (*range(start, count), *range(start)):
            try:
                connection = self._open(self._hosts[index])
            except (psycopg.Error, StoreUnavailable) as error:
                failure = error
            else:
                self._primary = index
                return connection
        raise failure

    def _open(self, host: Mapping[str, str]) -> DeadlineConnection:
        conninfo = make_conninfo(**{**_CONNECT_PARAMETERS, "client_encoding": "utf8", **host})
        connection = DeadlineConnection.connect(conninfo, autocommit=True, prepare_threshold=0, context=_Context())
        try:
            connection.give_up_at = time.monotonic() + CONNECT_SECONDS
            row = connection.execute(self._setup_sql.encode(), prepare=False).fetchone()
            connection.give_up_at = None
            check_server(row or (), self._address.label)
        except BaseException:
            connection.close()
            raise
        return connection


def make_engine(address: SqlAddress, deadline_seconds: float, *, durable: bool) -> Engine:
    """Create an engine that does not pool connections. ``durable``: see ``connection_setup_sql``."""
    creator: Callable[[], Any] = PsycopgConnector(address, deadline_seconds, durable=durable)
    return create_engine(
        "postgresql+psycopg://",
        creator=creator,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        use_native_hstore=False,
        hide_parameters=True,
    )

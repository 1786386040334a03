"""PostgreSQL through psycopg: connections that wait for no server longer than they may."""

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
from keyturn.stores.sql.address import CONNECT_SECONDS, Address
from keyturn.stores.sql.driver_hooks import DriverHooks
from keyturn.stores.sql.postgresql import check_server, connection_setup_sql

DEFAULT_DEADLINE_SECONDS = 60.0
"""Longest wait for an answer where nobody set a limit: migrations."""

# Should the server's machine vanish: whatever is sent is acknowledged within seconds, or the connection ends.
_CONNECT_PARAMETERS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}

# One type for every number: else each width of each parameter would make another prepared statement.
_adapters = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8Dumper)

_R = TypeVar("_R")


class _Context:
    adapters = _adapters
    connection = None


class DeadlineConnection(psycopg.Connection[Any]):
    """``give_up_at`` (monotonic): until then an answer is waited for. The server's own timeouts do not help against a
    server that is frozen, or a network that is cut."""

    give_up_at: float | None = None

    def wait(self, gen: PQGen[_R], interval: float = 0.1, timeout: float | None = None) -> _R:
        remaining = (
            DEFAULT_DEADLINE_SECONDS if self.give_up_at is None else max(0.0, self.give_up_at - time.monotonic())
        )
        return super().wait(gen, interval, remaining if timeout is None else min(remaining, timeout))


def set_deadline(connection: DeadlineConnection, give_up_at: float) -> None:
    """Have everything asked on ``connection`` from now on end at ``give_up_at``."""
    connection.give_up_at = give_up_at


def is_alive(connection: DeadlineConnection) -> bool:
    """Whether an idle connection may be used again. A server says nothing unasked, but for a goodbye."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


HOOKS = DriverHooks(is_alive=is_alive, set_deadline=set_deadline)


class PsycopgConnector:
    """Opens connections to whichever of the servers is the primary, the one found last first."""

    def __init__(self, address: Address, deadline_seconds: float, *, durable: bool) -> None:
        self._address = address
        self._hosts = address.hosts
        self._setup_sql = connection_setup_sql(deadline_seconds, durable=durable)
        self._primary = 0

    def __call__(self) -> DeadlineConnection:
        """Raises ``psycopg.Error``, or ``StoreUnavailable`` when the last one asked is a standby."""
        start, count = self._primary, len(self._hosts)
        failure: Exception = StoreUnavailable("no server is named")
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


def make_engine(address: Address, deadline_seconds: float, *, durable: bool) -> Engine:
    """An engine that opens connections and keeps none. ``durable``: as for ``introduction``."""
    creator: Callable[[], Any] = PsycopgConnector(address, deadline_seconds, durable=durable)
    return create_engine(
        "postgresql+psycopg://",
        creator=creator,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        use_native_hstore=False,
        hide_parameters=True,
    )

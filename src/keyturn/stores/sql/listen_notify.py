"""Change notifier over PostgreSQL's LISTEN/NOTIFY, with a heartbeat query that detects lost notifications."""

import logging
import select
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import psycopg
from psycopg.pq.abc import PGconn

from keyturn import entropy
from keyturn.core.backoff import backoff_seconds
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.connect_errors import sql_error_summary
from keyturn.stores.sql.psycopg_driver import DeadlineConnection

HEARTBEAT_SECONDS = 0.4
"""Longest time between two queries, and so the longest delay of a revocation if a notification is lost."""

POLL_SECONDS = 0.1
"""Interval between two reads of the log while there is no connection to listen on."""

ANSWER_SECONDS = 1.0
"""Timeout of a query on the listening connection."""

_STOP_SECONDS = 0.05

_LISTEN = b"LISTEN keyturn"
_COUNTERS = b"SELECT name, value FROM counters ORDER BY name"

_logger = logging.getLogger("keyturn.feed")


class NotifyListener:
    """``ChangeNotifier`` over PostgreSQL, on a connection of its own that never writes.

    A pooler that drops ``LISTEN`` delays revocations by one heartbeat at most. While there is no connection,
    ``change_token`` always differs, so that the log is read through the other connections.

    ``connect``: opens a connection to the primary. ``jitter``: uniform in [0, 1).
    """

    def __init__(
        self,
        connect: Callable[[], DeadlineConnection],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = entropy.jitter,
    ) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._jitter = jitter
        self._connection: DeadlineConnection | None = None
        self._connections = 0
        self._is_notified = False
        self._failures = 0
        self._retry_at = float("-inf")

    @property
    def interval_seconds(self) -> float:
        """Longest pause between two polls."""
        return POLL_SECONDS if self._connection is None else HEARTBEAT_SECONDS

    def change_token(self) -> object:
        """Return the log's counters, or a unique token while they cannot be read. Never raises."""
        # Reset the flag before the query: a later notification may be for an entry that the query does not see.
        is_notified, self._is_notified = self._is_notified, False
        if is_notified:
            return object()  # skip the query: the log is read anyway
        if self._connection is None and self._monotonic() < self._retry_at:
            return object()
        try:
            return self._check()
        except (psycopg.Error, StoreUnavailable, ConfigurationError) as error:
            self._connection_lost(error)
            return object()

    def wait(self, seconds: float, stop: Event) -> None:
        """Wait for a notification or the end of the connection, ``seconds`` at most."""
        if self._connection is None:
            stop.wait(seconds)
            return
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        give_up_at = self._monotonic() + seconds
        while not self._is_notified and not stop.is_set():
            remaining = give_up_at - self._monotonic()
            if remaining <= 0:
                return
            if poll.poll(min(_STOP_SECONDS, remaining) * 1000):
                self._consume(self._connection.pgconn)
                return

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self) -> object:
        if self._connection is None:
            self._connection = self._connect()
            self._connections += 1
            self._connection.add_notify_handler(self._on_notification)
            self._execute(self._connection, _LISTEN)
        counters = tuple(self._execute(self._connection, _COUNTERS).fetchall())
        if self._failures:
            _logger.warning("PostgreSQL notifies of revocations again, after %d failed attempts", self._failures)
        self._failures = 0
        # A new connection may lead to a promoted standby, where equal counters may belong to another log.
        return self._connections, counters

    def _execute(self, connection: DeadlineConnection, statement: bytes) -> psycopg.Cursor[Any]:
        connection.give_up_at = self._monotonic() + ANSWER_SECONDS
        return connection.execute(statement, prepare=statement is _COUNTERS)

    def _consume(self, connection: PGconn) -> None:
        try:
            connection.consume_input()
        except psycopg.Error:
            return  # the connection has ended: the next query fails
        while connection.notifies() is not None:
            self._is_notified = True

    def _on_notification(self, _notification: psycopg.Notify) -> None:
        self._is_notified = True

    def _connection_lost(self, error: Exception) -> None:
        self.close()
        self._failures += 1
        if self._failures == 1:
            _logger.warning(
                "PostgreSQL does not notify of revocations, the log is polled instead: %s", sql_error_summary(error)
            )
        self._retry_at = self._monotonic() + backoff_seconds(self._failures, 0.05, 2.0, self._jitter())

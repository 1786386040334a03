"""Bounded, thread-safe connection pool."""

import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection

from keyturn.errors import ConfigurationError, StoreUnavailable


class ConnectionPool:
    """Pool of at most ``size`` connections, opened on demand. ``is_alive``: checks an idle connection before use."""

    def __init__(
        self, engine: Engine, size: int, timeout_seconds: float, is_alive: Callable[[Any], bool] = lambda _: True
    ) -> None:
        self._engine = engine
        self._is_alive = is_alive
        self._timeout_seconds = timeout_seconds
        self._unopened = size
        self._reset_count = 0
        self._lock = Lock()
        self._pid = os.getpid()
        # None is a free slot whose connection was closed.
        self._idle: SimpleQueue[PoolProxiedConnection | None] = SimpleQueue()

    def acquire(self) -> PoolProxiedConnection:
        """Return an idle connection, or open one.

        Raises ``StoreUnavailable`` if all stay in use, ``ConfigurationError`` after a fork.
        """
        if self._pid != os.getpid():
            # A child would release its parent's locks and corrupt the file (sqlite.org/howtocorrupt.html, section 2.6).
            raise ConfigurationError("the store was opened before a fork; open a store in each process")
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = None if self._reserve_slot() else self._wait()
        if connection is not None and not self._is_usable(connection):
            connection.invalidate()
            connection = None
        return connection or self._open()

    def release(self, connection: PoolProxiedConnection) -> None:
        """Return ``connection`` to the pool."""
        self._idle.put(connection)

    def discard(self, connection: PoolProxiedConnection, *, include_idle: bool = False) -> None:
        """Close ``connection``, which rolls back its transaction. ``include_idle``: close the idle ones as well."""
        connection.invalidate()
        self._idle.put(None)
        if include_idle:
            self.close()

    def reset(self) -> None:
        """Close every connection: idle ones now, those in use before their next use."""
        self._reset_count += 1
        self.close()

    def close(self) -> None:
        """Close every idle connection."""
        for _ in range(self._idle.qsize()):
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return
            if connection is not None:
                connection.invalidate()
            self._idle.put(None)

    def _is_usable(self, connection: PoolProxiedConnection) -> bool:
        return bool(connection.info["reset_count"] == self._reset_count) and self._is_alive(
            connection.driver_connection
        )

    def _reserve_slot(self) -> bool:
        with self._lock:
            if self._unopened == 0:
                return False
            self._unopened -= 1
            return True

    def _wait(self) -> PoolProxiedConnection | None:
        try:
            return self._idle.get(timeout=self._timeout_seconds)
        except Empty:
            raise StoreUnavailable("all connections stayed in use until the timeout") from None

    def _open(self) -> PoolProxiedConnection:
        # Read the count first: a connection opened during a reset is then closed again, at worst without need.
        reset_count = self._reset_count
        try:
            connection = self._engine.raw_connection()
        except BaseException:
            self._idle.put(None)
            raise
        connection.info["reset_count"] = reset_count
        return connection

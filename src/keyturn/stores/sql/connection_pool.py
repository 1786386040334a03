"""Connections kept open, a bounded number of them."""

import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection

from keyturn.errors import ConfigurationError, StoreUnavailable


class ConnectionPool:
    """At most ``size`` open connections, opened when first needed. ``alive``: whether one may be used again."""

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
        # ``None`` stands for a place whose connection is closed.
        self._idle: SimpleQueue[PoolProxiedConnection | None] = SimpleQueue()

    def acquire(self) -> PoolProxiedConnection:
        """An idle connection, or a new one. Raises ``StoreUnavailable`` when all stay in use, and
        ``ConfigurationError`` in a child process."""
        if self._pid != os.getpid():
            # The child would undo its parent's locks, and harm the file (sqlite.org/howtocorrupt.html, section 2.6).
            raise ConfigurationError("this store was opened before a fork; open one in each process")
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = None if self._reserve_slot() else self._wait()
        if connection is not None and not self._is_usable(connection):
            connection.invalidate()
            connection = None
        return connection or self._open()

    def release(self, connection: PoolProxiedConnection) -> None:
        """Make ``connection`` idle."""
        self._idle.put(connection)

    def discard(self, connection: PoolProxiedConnection, *, include_idle: bool = False) -> None:
        """Close ``connection``, which undoes whatever was open on it. ``every``: the idle ones as well."""
        connection.invalidate()
        self._idle.put(None)
        if include_idle:
            self.close()

    def reset(self) -> None:
        """Close every connection: the idle ones now, one in use before it is used again."""
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
            raise StoreUnavailable("every connection is in use") from None

    def _open(self) -> PoolProxiedConnection:
        # Read first: a connection opened while the rounds change is closed again, at worst without need.
        reset_count = self._reset_count
        try:
            connection = self._engine.raw_connection()
        except BaseException:
            self._idle.put(None)
            raise
        connection.info["reset_count"] = reset_count
        return connection

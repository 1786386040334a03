"""SQLite connections that survive no fork (sqlite.org/howtocorrupt.html, section 2.6).

SQLite keeps locks per process. A forked child that inherits an open connection believes that it holds its locks: a
connection that the child opens itself takes none, and when the parent closes its own, it deletes the write-ahead log
under the child. Commits that the child acknowledges are then lost. Therefore idle connections are closed before a fork,
which waits for those in use for a moment, and a child refuses a database of which a connection stayed open.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Any
from weakref import WeakMethod, WeakSet

from keyturn.errors import ConfigurationError


class TrackedConnection(sqlite3.Connection):
    """Connection that is known to be open until it is closed. ``file``: the database file."""

    file: str

    def close(self) -> None:
        """Close the connection."""
        super().close()
        _open.discard(self)


_WAIT_SECONDS = 1.0
"""Longest time that a fork waits for operations in other threads."""

lock = RLock()
"""Held while a connection is opened, and during a fork."""

_open: WeakSet[TrackedConnection] = WeakSet()
_closers: set[WeakMethod[Callable[[], None]]] = set()
_inherited: list[TrackedConnection] = []
"""Connections of the parent: not even freed here, which would close them and drop locks of this process."""


def connect_sqlite(file: str, database: str, **options: Any) -> TrackedConnection:
    """Connect to ``database``, a path or URI of ``file``. Raises ``ConfigurationError`` for an inherited one."""
    file = os.path.realpath(file)
    with lock:
        if any(each.file == file for each in _inherited):
            raise ConfigurationError(f"store: {file} was in use during a fork; fork first, or close the issuer before")
        connection = sqlite3.connect(database, factory=TrackedConnection, **options)
        connection.file = file
        _open.add(connection)
        return connection


def close_before_fork(close: Callable[[], None]) -> None:
    """Call ``close``, a method that closes idle connections, before each fork, while its object exists."""
    _closers.add(WeakMethod(close, _closers.discard))


def _before_fork() -> None:
    lock.acquire()
    give_up_at = time.monotonic() + _WAIT_SECONDS
    _close_idle()
    # No connection can be opened now: those in use come back within one operation.
    while _open and time.monotonic() < give_up_at:
        time.sleep(0.001)
        _close_idle()


def _close_idle() -> None:
    for reference in list(_closers):
        close = reference()
        if close is not None:
            close()


def _after_fork_in_child() -> None:
    global lock
    lock = RLock()
    _inherited.extend(_open)
    _open.clear()


with suppress(AttributeError):  # platforms without fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=lambda: lock.release(), after_in_child=_after_fork_in_child
    )

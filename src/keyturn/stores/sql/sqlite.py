"""SQLite specifics: a private file, the write-ahead log, durability, busy handling and a change notifier."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import URL, Engine, event

from keyturn.errors import ConfigurationError
from keyturn.stores.sql import sqlite_forks


def create_file(url: URL) -> None:
    """Create the database file with mode 0600; SQLite gives its ``-wal`` and ``-shm`` files the same mode.

    Raises ``ConfigurationError`` for a URL that is not a plain file, or a file that cannot be written.
    """
    if not url.database or url.database == ":memory:" or url.query:
        raise ConfigurationError(
            "store: the SQLite URL must name a file and have no parameters, like sqlite:////var/lib/keyturn/keyturn.db"
        )
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # Do not open an existing file: closing any descriptor drops all locks of this process on it (POSIX), and
        # another process would then discard a log in use (sqlite.org/howtocorrupt.html, section 2.2).
        if not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
            raise ConfigurationError(f"store: {path} is not a file that this user may read and write") from None
    except OSError as error:
        raise ConfigurationError(f"store: cannot create {path}: {error.strerror}") from None


def require_file(url: URL) -> None:
    """Check that the database file exists. Raises ``ConfigurationError``: opening it would create an empty one."""
    if url.database and not Path(url.database).exists():
        raise ConfigurationError(
            f"the database does not exist: {Path(url.database).absolute()}: "
            "run the command in the server's directory, or set --data-dir or KEYTURN_STORE"
        )


def prepare_engine(engine: Engine, timeout_seconds: float, *, durable: bool = True) -> None:
    """Configure every new connection of ``engine`` for the required durability.

    Without ``durable``, commits are atomic, but a power cut may undo the latest ones (sqlite.org/wal.html, section 3).
    The next durable commit of any connection syncs the shared write-ahead log and these commits with it.
    """
    # FULL: an acknowledged commit survives a power cut; NORMAL could lose it, and revive a revoked session.
    synchronous = "FULL" if durable else "NORMAL"
    # A deleted database must not be recreated, empty and readable by every user.
    file = Path(engine.url.database or "").absolute()

    def connect_existing(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> Any:
        return sqlite_forks.connect_sqlite(str(file), f"{file.as_uri()}?mode=rw", **parameters | {"uri": True})

    def configure(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={int(timeout_seconds * 1000)}")
        _enter_wal(connection, time.monotonic() + timeout_seconds)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        # Overwrite deleted rows: they held seeds.
        connection.execute("PRAGMA secure_delete=FAST")
        # From now on the runner waits for locks, more evenly than SQLite does.
        connection.execute("PRAGMA busy_timeout=0")

    event.listen(engine, "do_connect", connect_existing)
    event.listen(engine, "connect", configure)


def is_busy(error: Exception) -> bool:
    """Return True if ``error`` means that another connection holds a lock (any form of SQLITE_BUSY)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _enter_wal(connection: sqlite3.Connection, give_up_at: float) -> None:
    # Several processes may create the same file at once, and the busy timeout does not apply to this PRAGMA.
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


class DataVersion:
    """``ChangeNotifier`` over a SQLite file: ``PRAGMA data_version`` on a connection of its own that never writes.

    The version changes with every commit of any *other* connection, in any process; reading it costs microseconds.
    ``on_replaced``: called when another file has taken the path, for example a restored backup. Open connections still
    read and write the old, unlinked file.
    """

    interval_seconds = 0.005

    def __init__(self, url: URL, on_replaced: Callable[[], None]) -> None:
        self._path = Path(url.database or "").absolute()
        self._on_replaced = on_replaced
        self._file_id: tuple[int, int] | None = None
        self._connection: sqlite_forks.TrackedConnection | None = None
        self._connection_count = 0
        self._connect()
        sqlite_forks.close_before_fork(self.close)

    def change_token(self) -> object:
        """Return a token that changes with every commit. Raises ``OSError`` while the file does not exist."""
        with sqlite_forks.lock:
            if self._current_identity() != self._file_id:
                self._file_id = None
                self.close()
                self._on_replaced()
            connection = self._connection or self._connect()
            # The numbers of two connections do not compare.
            return self._file_id, self._connection_count, connection.execute("PRAGMA data_version").fetchone()[0]

    def wait(self, seconds: float, stop: Event) -> None:
        """Wait ``seconds``: SQLite does not notify of commits in other processes."""
        stop.wait(seconds)

    def close(self) -> None:
        """Close the connection. It is opened again when it is needed, for example after a fork."""
        with sqlite_forks.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> sqlite_forks.TrackedConnection:
        file, path = self._identity(), str(self._path)
        options = {"timeout": 0.1, "check_same_thread": False, "isolation_level": None}
        self._connection = connection = sqlite_forks.connect_sqlite(path, path, **options)
        self._connection_count += 1
        self._file_id = file
        return connection

    def _current_identity(self) -> tuple[int, int]:
        try:
            return self._identity()
        except OSError:
            # The file was deleted: open connections would acknowledge writes to an unlinked file (P1).
            self._on_replaced()
            raise

    def _identity(self) -> tuple[int, int]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino

"""Database of a store: engines, driver hooks and change notifier for a URL."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from keyturn.errors import ConfigurationError
from keyturn.stores.log_follower import ChangeNotifier
from keyturn.stores.sql import sqlite, sqlite_forks
from keyturn.stores.sql.address import SqlAddress, read_sql_address
from keyturn.stores.sql.driver_hooks import DriverHooks
from keyturn.stores.sql.fair_lock import FairLock

_EXAMPLE = "write it like sqlite:////var/lib/keyturn/keyturn.db or postgresql://keyturn@db.example.com/keyturn"

_NotifierFactory = Callable[[Callable[[], None]], ChangeNotifier | None]


def _no_notifier(_on_replaced: Callable[[], None]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Database:
    """Database of a store.

    ``engine``: commits durably. ``throttle_engine``: a crash may undo its latest commits, which loses counted login
    attempts only. ``notifier_factory``: creates a change notifier; its argument is called when another database file
    has replaced this one. ``address``: of a PostgreSQL server. ``label``: URL without its password.
    """

    label: str
    engine: Engine
    throttle_engine: Engine
    hooks: DriverHooks
    notifier_factory: _NotifierFactory = _no_notifier
    address: SqlAddress | None = None


def find_database(url: str, deadline_seconds: float) -> Database:
    """Return the database at ``url``, without connecting to a PostgreSQL server yet.

    Raises ``ConfigurationError`` for an unusable URL.
    """
    address = read_sql_address(url)
    if address is not None:
        return _postgresql(address, deadline_seconds)
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, deadline_seconds)
    return Database(parsed.render_as_string(), _engine(parsed), _engine(parsed), DriverHooks())


def require_database(url: str) -> None:
    """Check that the database exists. Raises ``ConfigurationError`` if opening ``url`` would create it.

    A command that inspects a database or revokes in it must not succeed on a new, empty one.
    """
    if read_sql_address(url) is None and (parsed := _parse(url)).get_backend_name() == "sqlite":
        sqlite.require_file(parsed)


def _postgresql(address: SqlAddress, deadline_seconds: float) -> Database:
    try:
        from keyturn.stores.sql import listen_notify, psycopg_driver
    except ImportError as error:
        raise ConfigurationError(
            f"store: the package {error.name} is not installed; in a clone of Keyturn: pip install '.[postgresql]'"
        ) from None
    durable, throttle_engine = (
        psycopg_driver.make_engine(address, deadline_seconds, durable=each) for each in (True, False)
    )

    def make_notifier(_on_replaced: Callable[[], None]) -> ChangeNotifier:
        return listen_notify.NotifyListener(psycopg_driver.PsycopgConnector(address, deadline_seconds, durable=True))

    return Database(address.label, durable, throttle_engine, psycopg_driver.HOOKS, make_notifier, address)


def _sqlite(url: URL, deadline_seconds: float) -> Database:
    sqlite.create_file(url)
    durable, throttle_engine = _engine(url), _engine(url)
    sqlite.prepare_engine(durable, deadline_seconds / 2)
    sqlite.prepare_engine(throttle_engine, deadline_seconds / 2, durable=False)
    hooks = DriverHooks(
        begin="BEGIN IMMEDIATE",
        write_lock=FairLock(),
        is_busy=sqlite.is_busy,
        close_before_fork=sqlite_forks.close_before_fork,
    )
    return Database(url.render_as_string(), durable, throttle_engine, hooks, partial(sqlite.DataVersion, url))


def _engine(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            # The runner begins transactions and pools the connections itself.
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            # Parameters include seeds and password hashes.
            hide_parameters=True,
        )
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigurationError(
            f"store: no driver for {url.get_backend_name()!r} ({type(error).__name__}); {_EXAMPLE}"
        ) from None


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except SQLAlchemyError:
        # The URL is not quoted: it may hold a password.
        raise ConfigurationError(f"store: the URL cannot be parsed; {_EXAMPLE}") from None

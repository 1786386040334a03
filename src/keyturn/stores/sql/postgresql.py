"""Setup and checks of a new PostgreSQL connection, for both drivers."""

import logging

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.operation import Row

_logger = logging.getLogger("keyturn.store")

# remote_write and remote_apply also wait for this server's disk, and for a standby: they are kept.
_DURABLE = """(SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local'))"""
_NOT_DURABLE = "set_config('synchronous_commit', 'off', false)"

_warned: set[str] = set()


def connection_setup_sql(deadline_seconds: float, *, durable: bool) -> str:
    """Return one statement that reads the server's state and configures the connection, in one round trip.

    The timeouts keep a frozen or disconnected client from holding a lock forever, above all that of the log's counter.
    ``durable``: acknowledged commits survive a crash of the server (P1), whatever its defaults are.
    """
    deadline_ms = int(deadline_seconds * 1000)
    return f"""SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
        current_setting('server_encoding'), current_setting('fsync')::boolean,
        set_config('statement_timeout', '{deadline_ms}', false),
        set_config('idle_in_transaction_session_timeout', '{deadline_ms}', false),
        set_config('default_transaction_isolation', 'read committed', false),
        {_DURABLE if durable else _NOT_DURABLE},
        (SELECT count(set_config(name, '0', false)) FROM pg_settings WHERE name = 'idle_session_timeout')"""  # noqa: S608  # numbers and constants of this module


def check_server(row: Row, label: str) -> None:
    """Check the result of ``connection_setup_sql``.

    Raises ``StoreUnavailable`` for a standby, whose data may be outdated, and ``ConfigurationError`` for a database
    that is not encoded in UTF-8. Logs a warning if ``fsync`` is off.
    """
    read_only, encoding, has_fsync, *_ = row
    if read_only:
        raise StoreUnavailable("the database is read-only: it is a standby, not the primary")
    if encoding != "UTF8":
        raise ConfigurationError(f"store: the database has the encoding {encoding}; create one with ENCODING 'UTF8'")
    if not has_fsync and label not in _warned:
        _warned.add(label)
        _logger.warning("fsync is off on %s: a power cut loses acknowledged revocations", label)

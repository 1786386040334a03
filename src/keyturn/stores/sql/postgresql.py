"""What only PostgreSQL needs: what is asked and set on every new connection, whichever driver opened it."""

import logging
from collections.abc import Sequence
from typing import Any

from keyturn.errors import ConfigurationError, StoreUnavailable

_logger = logging.getLogger("keyturn.store")

# remote_write and remote_apply wait for this server's disk, too, and for a standby besides: they stay.
_DURABLE = """(SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local'))"""
_NOT_DURABLE = "set_config('synchronous_commit', 'off', false)"

_warned: set[str] = set()


def connection_setup_sql(deadline_seconds: float, *, durable: bool) -> str:
    """One statement, one round trip: what the server is, and the rules for this connection.

    A client that froze, or is cut off, must not hold a lock for ever: least of all that of the log's counter.
    ``durable``: what is acknowledged survives a crash of the server (P1), whatever its defaults are.
    """
    deadline_ms = int(deadline_seconds * 1000)
    return f"""SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
        current_setting('server_encoding'), current_setting('fsync')::boolean,
        set_config('statement_timeout', '{deadline_ms}', false),
        set_config('idle_in_transaction_session_timeout', '{deadline_ms}', false),
        set_config('default_transaction_isolation', 'read committed', false),
        {_DURABLE if durable else _NOT_DURABLE},
        (SELECT count(set_config(name, '0', false)) FROM pg_settings WHERE name = 'idle_session_timeout')"""  # noqa: S608  # numbers and constants of this module


def check_server(row: Sequence[Any], label: str) -> None:
    """``row``: the answer. Raises ``StoreUnavailable`` for a standby: what it says may no longer be so."""
    read_only, encoding, has_fsync, *_ = row
    if read_only:
        raise StoreUnavailable("the database only reads: a standby, not the primary")
    if encoding != "UTF8":
        raise ConfigurationError(f"store: the database is encoded in {encoding}; make one with ENCODING 'UTF8'")
    if not has_fsync and label not in _warned:
        _warned.add(label)
        _logger.warning("fsync is off on %s: a power cut loses acknowledged revocations", label)

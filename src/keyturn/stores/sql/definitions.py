"""Definitions of the ports of a SQL store: one class each, whose methods return operations."""

from keyturn.stores.sql.accounts import Accounts
from keyturn.stores.sql.one_time import SqlOneTimeValues
from keyturn.stores.sql.records import AuditTrail, Keys, Throttles
from keyturn.stores.sql.sessions import SqlSessions
from keyturn.stores.sql.suspension import RestorableLog


def port_definitions(accounts: Accounts | None = None) -> dict[str, object]:
    """Return the definition of each port by name. ``accounts``: used if sessions are kept outside the database."""
    return {
        "sessions": SqlSessions(),
        "accounts": accounts or Accounts(),
        "log": RestorableLog(),
        "throttles": Throttles(),
        "keys": Keys(),
        "audit": AuditTrail(),
        "one_time": SqlOneTimeValues(),
    }

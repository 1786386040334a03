"""Open a store by its URL; a database's own packages are imported only when it is asked for."""

from typing import TYPE_CHECKING

from keyturn.stores.memory import MemoryStore
from keyturn.stores.twin import AsyncMemoryStore

if TYPE_CHECKING:
    from keyturn.stores.sql.store import AsyncSqlStore, SqlStore

MEMORY = "memory:"

CONNECTIONS = 16


def open_store(url: str, connections: int = CONNECTIONS) -> "MemoryStore | SqlStore":
    """``memory:``, ``sqlite:////var/lib/keyturn/keyturn.db`` or ``postgresql://...``, its schema made or upgraded.

    ``connections``: to a database, at most; a quarter as many beside them count attempts.
    Raises ``ConfigurationError`` for a URL that cannot be used, ``StoreUnavailable`` when the database is away.
    """
    if url == MEMORY:
        return MemoryStore()
    from keyturn.stores.sql.store import SqlStore

    return SqlStore(url, size=connections)


def open_async_store(url: str, connections: int = CONNECTIONS) -> "AsyncMemoryStore | AsyncSqlStore":
    """As ``open_store``, with every port awaited. Opening itself waits for the database: do it before serving."""
    if url == MEMORY:
        return AsyncMemoryStore()
    from keyturn.stores.sql.store import AsyncSqlStore

    return AsyncSqlStore(url, size=connections)

"""``SqlStore`` and ``AsyncSqlStore``: every port of a store in one SQL database."""

from functools import partial
from typing import TYPE_CHECKING

from keyturn.ports import StorePorts, ports_of
from keyturn.stores.log_follower import ChangeNotifier
from keyturn.stores.proxy import set_ports, set_proxies
from keyturn.stores.sql.accounts import Accounts
from keyturn.stores.sql.address import read_sql_address
from keyturn.stores.sql.async_ports import ThreadPorts, throttle_pool_size
from keyturn.stores.sql.database import find_database
from keyturn.stores.sql.definitions import port_definitions
from keyturn.stores.sql.log import renew_log_id
from keyturn.stores.sql.markers import check_servable
from keyturn.stores.sql.migrate import upgrade
from keyturn.stores.sql.runner import Runner
from keyturn.stores.sql.suspension import resume_sessions

if TYPE_CHECKING:
    from keyturn.stores.sql.asyncpg_driver import AsyncpgPorts

DEADLINE_SECONDS = 5.0
CONNECTIONS = 16
MAINTENANCE_CONNECTIONS = 4
_MAX_WAITING = 1000


class SqlStore(StorePorts):
    """Thread-safe store in the SQL database at ``url``, with every port as an attribute.

    The schema is created or upgraded first; several processes may do so at once.

    ``deadline_seconds``: longest time for one operation, then ``StoreUnavailable``. ``size``: largest number of
    connections. ``accounts``: account operations if sessions are kept outside this database. ``serving``: check that
    the database may be served from.
    Raises ``ConfigurationError`` for an unusable URL and for a schema newer than this Keyturn.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        size: int = CONNECTIONS,
        accounts: Accounts | None = None,
        serving: bool = True,
    ) -> None:
        self.database = database = find_database(url, deadline_seconds)
        self.engine = database.engine
        upgrade(self.engine)
        if serving:
            check_servable(self.engine, sessions_in_redis=accounts is not None)
        make_runner = partial(Runner, hooks=database.hooks, deadline_seconds=deadline_seconds)
        self._runner = runner = make_runner(self.engine, size=size)
        # Throttles are written twice per login. Losing a count in a crash loses no login, so they need not be durable.
        self._throttle_runner = make_runner(database.throttle_engine, size=throttle_pool_size(size))
        definitions = port_definitions(accounts)
        set_proxies(self, definitions, runner.bind)
        set_proxies(self, {"throttles": definitions["throttles"]}, self._throttle_runner.bind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.database.label!r})"

    def watch(self) -> ChangeNotifier | None:
        """Create a change notifier for this database, or return None if it has none."""
        return self.database.notifier_factory(self._reset_connections)

    def renew_log_id(self) -> None:
        """Give the revocation log another id after the database was restored from a backup."""
        self._runner.run(renew_log_id(), writes=True)

    def resume_sessions(self) -> bool:
        """Serve the sessions of a restored database again. Return False if they are not suspended."""
        resumed: bool = self._runner.run(resume_sessions(), writes=True)
        return resumed

    def close(self) -> None:
        """Close every connection. No other thread may be using the store."""
        self._runner.close()
        self._throttle_runner.close()
        self.engine.dispose()

    def _reset_connections(self) -> None:
        self._runner.reset()
        self._throttle_runner.reset()


class AsyncSqlStore(StorePorts):
    """Async version of ``SqlStore``, over asyncpg or a bounded thread pool of its own.

    The constructor blocks on the database: call it before serving requests. Beyond ``_MAX_WAITING`` queued operations
    it raises ``StoreUnavailable`` at once. ``store``: the same store with sync ports.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        size: int = CONNECTIONS,
        accounts: Accounts | None = None,
    ) -> None:
        address = read_sql_address(url)
        asyncpg_address = address if address is not None and address.asyncpg else None
        # With asyncpg, the sync store only serves background tasks in one or two threads.
        sync_size = size if asyncpg_address is None else min(size, MAINTENANCE_CONNECTIONS)
        self.store = store = SqlStore(url, deadline_seconds=deadline_seconds, size=sync_size, accounts=accounts)
        if asyncpg_address is not None:
            from keyturn.stores.sql import asyncpg_driver

            self._ports: AsyncpgPorts | ThreadPorts = asyncpg_driver.AsyncpgPorts(
                asyncpg_address, deadline_seconds=deadline_seconds, size=size, waiting=_MAX_WAITING, accounts=accounts
            )
        else:
            self._ports = ThreadPorts(store, size=size, waiting=_MAX_WAITING, deadline_seconds=deadline_seconds)
        set_ports(self, ports_of(self._ports))

    def __repr__(self) -> str:
        return f"Async{self.store!r}"

    async def close(self) -> None:
        """Finish running operations, cancel waiting ones and close every connection."""
        await self._ports.close()
        self.store.close()

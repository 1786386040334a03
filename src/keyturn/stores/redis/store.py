"""Redis stores: sessions, one-time values and the revocation log in Redis, everything else in SQL."""

from keyturn.ports import StorePorts, ports_of
from keyturn.stores.log_follower import ChangeNotifier
from keyturn.stores.proxy import set_ports, set_proxies
from keyturn.stores.redis.accounts import AccountsWithRedisSessions
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.binding import bind_database
from keyturn.stores.redis.log import Log
from keyturn.stores.redis.one_time import RedisOneTimeValues
from keyturn.stores.redis.quarantine import Quarantine
from keyturn.stores.redis.runner import AsyncRedisRunner, RedisRunner, bind_to
from keyturn.stores.redis.sessions import Sessions
from keyturn.stores.redis.stream_notifier import StreamNotifier
from keyturn.stores.sql.store import CONNECTIONS, AsyncSqlStore, SqlStore


class RedisStore(StorePorts):
    """Thread-safe store with sessions and revocation log in Redis, and everything else in a database.

    ``url``: URL of the database. ``sessions``: URL of the Redis. ``replicas``: Redis replicas that must confirm a write
    before it is acknowledged. ``quarantine_seconds``: time without session reads after Redis restarted or failed over,
    if ``quarantine.watch`` runs.
    Raises as ``SqlStore`` and ``bind_database``, and ``ConfigurationError`` for a malformed Redis URL. An unreachable
    Redis is logged after the first start; calls then raise ``StoreUnavailable``.
    """

    def __init__(
        self, url: str, sessions: str, *, size: int = CONNECTIONS, replicas: int = 0, quarantine_seconds: float = 10.0
    ) -> None:
        runner = RedisRunner(read_redis_address(sessions, "session_store"), replicas=replicas)
        quarantine = Quarantine(runner, quarantine_seconds)
        accounts = AccountsWithRedisSessions(Sessions(), quarantine.guard(runner.run))
        self._init(SqlStore(url, size=size, accounts=accounts), runner, quarantine)

    @classmethod
    def of(cls, database: SqlStore, runner: RedisRunner, quarantine: Quarantine) -> "RedisStore":
        """Create a store over an open database and an open Redis."""
        store = cls.__new__(cls)
        store._init(database, runner, quarantine)
        return store

    def _init(self, database: SqlStore, runner: RedisRunner, quarantine: Quarantine) -> None:
        self.database = database
        self.quarantine = quarantine
        self._runner = runner
        quarantine.database = bind_database(runner, database.engine)
        self._run_log = quarantine.guard(runner.run, quarantine.raise_if_log_affected)
        set_ports(self, ports_of(database))
        set_proxies(self, _definitions(runner), bind_to(quarantine.guard(runner.run)))
        set_proxies(self, {"log": Log()}, bind_to(self._run_log))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.database!r}, {self._runner!r})"

    def watch(self) -> ChangeNotifier:
        """Create a change notifier that blocks until the next entry."""
        return StreamNotifier(self._run_log)

    def close(self) -> None:
        """Close every connection. No other thread may be using the store."""
        self.database.close()
        self._runner.close()


class AsyncRedisStore(StorePorts):
    """Async version of ``RedisStore``. ``store``: the same store with sync ports."""

    def __init__(
        self, url: str, sessions: str, *, size: int = CONNECTIONS, replicas: int = 0, quarantine_seconds: float = 10.0
    ) -> None:
        address = read_redis_address(sessions, "session_store")
        sync_runner, self._runner = (
            RedisRunner(address, replicas=replicas),
            AsyncRedisRunner(address, replicas=replicas),
        )
        quarantine = Quarantine(sync_runner, quarantine_seconds)
        run = quarantine.guard_async(self._runner.run)
        accounts = AccountsWithRedisSessions(Sessions(), quarantine.guard(sync_runner.run), run)
        self._database = database = AsyncSqlStore(url, size=size, accounts=accounts)
        self.store = RedisStore.of(database.store, sync_runner, quarantine)
        run_log = quarantine.guard_async(self._runner.run, quarantine.raise_if_log_affected)
        set_ports(self, ports_of(database))
        set_proxies(self, _definitions(sync_runner), bind_to(run))
        set_proxies(self, {"log": Log()}, bind_to(run_log))

    def __repr__(self) -> str:
        return f"Async{self.store!r}"

    async def close(self) -> None:
        """Finish running operations, cancel waiting ones and close every connection."""
        await self._runner.close()
        await self._database.close()
        self.store.close()


def _definitions(runner: RedisRunner) -> dict[str, object]:
    """Return the definition of each port in Redis by name, but of the log, which is read in a quarantine, too."""
    return {
        "sessions": Sessions(needs_replicas=runner.needs_replicas),
        "one_time": RedisOneTimeValues(),
    }

"""SqlStore and AsyncSqlStore: every port of a store in one SQL database."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from keyturn.core.instant import Instant
from keyturn.errors import ConfigurationError
from keyturn.ports import AccountStore, AuditLog, KeyStore, RevocationLog, SessionStore, ThrottleStore
from keyturn.stores.sql import sqlite
from keyturn.stores.sql.accounts import Accounts
from keyturn.stores.sql.crew import Crew
from keyturn.stores.sql.ledgers import BATCH, AuditTrail, Keys, Throttles, purge_audit
from keyturn.stores.sql.log import Log, purge_log
from keyturn.stores.sql.migrate import upgrade
from keyturn.stores.sql.runner import Runner, RunPort
from keyturn.stores.sql.sessions import Sessions, purge_sessions, sessions_over
from keyturn.stores.sql.turn import Turn
from keyturn.stores.twin import AwaitedPort

DEADLINE_SECONDS = 5.0
CONNECTIONS = 16
COUNTING_CONNECTIONS = 4
WAITING = 1000
EXAMPLE = "write it as in sqlite:////var/lib/keyturn/keyturn.db"


class SqlStore:
    """Every port of a store in the SQL database at ``url``, for any number of threads.

    ``deadline_seconds``: longest wait for a connection and for the right to write; then ``StoreUnavailable``.
    The schema is made or upgraded first; several processes may do so at once. Raises ``ConfigurationError`` for a
    URL that cannot be used and for a schema newer than this version of Keyturn.
    """

    def __init__(self, url: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.engine = _engine(url, deadline_seconds)
        upgrade(self.engine)
        run = partial(
            Runner,
            deadline_seconds=deadline_seconds,
            turn=Turn() if self.engine.dialect.name == "sqlite" else None,
            busy=sqlite.is_busy,
        )
        self._runner = runner = run(self.engine, size=CONNECTIONS)
        # Attempts are counted by compare-and-swap, twice in every login; losing a count loses no login.
        self._counting = run(_engine(url, deadline_seconds, durable=False), size=COUNTING_CONNECTIONS)
        self.sessions = cast(SessionStore, _RunSessions(Sessions(), runner))
        self.accounts = cast(AccountStore, RunPort(Accounts(), runner))
        self.log = cast(RevocationLog, RunPort(Log(), runner))
        self.throttles = cast(ThrottleStore, RunPort(Throttles(), self._counting))
        self.keys = cast(KeyStore, RunPort(Keys(), runner))
        self.audit = cast(AuditLog, _RunAudit(AuditTrail(), runner))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.engine.url.render_as_string(hide_password=True)!r})"

    def watch(self) -> sqlite.DataVersion | None:
        """A nearly free way to ask whether anything was committed; ``None`` where the database has none."""
        if self.engine.dialect.name != "sqlite":
            return None
        return sqlite.DataVersion(self.engine.url, self._renew)

    def close(self) -> None:
        """Close every connection. Call it when no other thread uses the store any more."""
        self._runner.close()
        self._counting.close()
        self.engine.dispose()

    def _renew(self) -> None:
        self._runner.renew()
        self._counting.renew()


class AsyncSqlStore:
    """``SqlStore``, every port awaited; the work is done in a bounded crew of threads of its own.

    Making one waits for the database: do it before serving. Past ``WAITING`` queued operations it answers
    ``StoreUnavailable`` at once.
    """

    def __init__(self, url: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.store = store = SqlStore(url, deadline_seconds=deadline_seconds)
        one_writer = store.engine.dialect.name == "sqlite"
        self._readers = Crew(4 if one_writer else CONNECTIONS, WAITING, "keyturn-store")
        # Where the database takes one writer at a time, more threads would only stand in line.
        self._writers = Crew(1, WAITING, "keyturn-store-writer") if one_writer else self._readers
        self.sessions = self._awaited(store.sessions)
        self.accounts = self._awaited(store.accounts)
        self.log = self._awaited(store.log)
        self.throttles = self._awaited(store.throttles)
        self.keys = self._awaited(store.keys)
        self.audit = self._awaited(store.audit)

    def __repr__(self) -> str:
        return f"Async{self.store!r}"

    def watch(self) -> sqlite.DataVersion | None:
        """As ``SqlStore.watch``; asked without ``await``, for it never waits."""
        return self.store.watch()

    async def close(self) -> None:
        """Let what runs finish, forget what waits, close every connection."""
        self._writers.close()
        self._readers.close()
        self.store.close()

    def _awaited(self, port: object) -> AwaitedPort:
        return AwaitedPort(port, self._run)

    def _run(self, method: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        crew = self._writers if getattr(method, "writes", False) else self._readers
        return crew.run(method, *arguments)


class _RunSessions(RunPort):
    def purge(self, now: Instant) -> int:
        """Many small transactions, so that other writers never wait long."""
        count, after = 0, ""
        while over := self._runner.run(sessions_over(now, after), writes=False):
            count += self._runner.run(purge_sessions(now, after, over[-1]), writes=True)
            after = over[-1]
        while self._runner.run(purge_log(now), writes=True):
            pass
        return count


class _RunAudit(RunPort):
    def purge(self, before: Instant) -> int:
        """Many small transactions, as for sessions."""
        count, deleted = 0, BATCH
        while deleted == BATCH:
            deleted = self._runner.run(purge_audit(before), writes=True)
            count += deleted
        return count


def _engine(url: str, deadline_seconds: float, *, durable: bool = True) -> Engine:
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        sqlite.create_file(parsed)
    try:
        engine = create_engine(
            parsed,
            # The runner says when a transaction begins and keeps the connections itself.
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            # Parameters are seeds and password hashes.
            hide_parameters=True,
        )
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigurationError(
            f"store: no driver for {parsed.get_backend_name()!r} ({type(error).__name__}); {EXAMPLE}"
        ) from None
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine, deadline_seconds / 2, durable=durable)
    return engine


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except SQLAlchemyError:
        # Not echoed: it may hold a password.
        raise ConfigurationError(f"store: the URL cannot be read; {EXAMPLE}") from None

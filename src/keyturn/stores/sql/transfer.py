"""Copying: everything one database holds into another one, while the first is still in use, and again until it is not.

Each pass walks every table in the order of its key and makes the other side the same: what is there is left, what
differs is replaced, what is gone is deleted. So it can be ended at any point and begun again. A mark in the target
keeps issuers off it until the last pass, which nobody writes beside, has been compared row by row.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, func, insert, select, text, tuple_
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.database import Database, find_database, require_database
from keyturn.stores.sql.markers import COPYING, MOVED, read_markers
from keyturn.stores.sql.migrate import upgrade
from keyturn.stores.sql.tables import (
    LOG,
    accounts,
    audit,
    counters,
    marks,
    revocations,
    sessions,
    signing_keys,
    throttles,
)

BATCH: Final = 500
PATIENCE_SECONDS: Final = 30.0

# Revocations last: an entry is there at the earliest when what it ended is.
_TRANSFERRED: Final = (signing_keys, accounts, sessions, marks, throttles, audit, revocations)
_CLOSED: Final = (accounts, sessions, revocations)
_LOCKED: Final = (signing_keys, accounts, sessions, revocations, audit)

# Events were given their numbers by the source: the next must not meet one of them.
_NEXT_EVENT: Final = """
SELECT setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false)
"""

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows have been gone through, and how many there are."""


@dataclass(slots=True)
class TransferResult:
    """``rows``: per table. ``changed``: rows written in this run. ``finished``: whether the source is closed now."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    changed: int = 0
    finished: bool = False


def _no_progress(_table: str, _done: int, _total: int) -> None:
    pass


def copy_database(source_url: str, target_url: str, progress: Progress = _no_progress) -> TransferResult:
    """Bring the target up to the source; finish when nobody else uses the source.

    Raises ``ConfigurationError`` for URLs that cannot be used and for a target that holds something else, and
    ``StoreUnavailable`` when a database is away.
    """
    require_database(source_url)
    source, target = _opened(source_url, "the source"), _opened(target_url, "the target")
    try:
        with source.engine.connect() as here, target.engine.connect() as there:
            copied = _claim(here, there)
            if not copied.finished:
                copied = _transfer_pass(here, there, progress)
        if not copied.finished:
            with _exclusive(source) as alone, target.engine.connect() as there:
                if alone is not None:
                    copied.changed += _transfer_pass(alone, there, progress).changed
                    _compare(alone, there)
                    _close(alone)
                    copied.finished = True
        if copied.finished:
            with target.engine.connect() as there:
                _open(there)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(f"the copy stopped: {type(error).__name__}; run it again to go on") from error
    else:
        return copied
    finally:
        source.engine.dispose()
        target.engine.dispose()


def _opened(url: str, named: str) -> Database:
    database = find_database(url, PATIENCE_SECONDS)
    upgrade(database.engine, named)
    return database


def _claim(here: Connection, there: Connection) -> TransferResult:
    """Mark the target as being copied to, if it is empty or is so already. Finished: all was done but to open it."""
    number, marked = read_markers(here), read_markers(there)
    if MOVED in marked:
        raise ConfigurationError("the target was moved away itself; copy into an empty database")
    if marked.get(COPYING) == number[LOG]:
        finished = MOVED in number
        return TransferResult({each.name: _count(there, each) for each in _TRANSFERRED if finished}, finished=finished)
    if MOVED in number:
        raise ConfigurationError("the source was moved already; nothing is written there any more")
    if marked[LOG] == number[LOG]:
        raise ConfigurationError("the target is the source, or a backup of it; copy into an empty database")
    if COPYING in marked or any(_count(there, table) for table in _LOCKED):
        raise ConfigurationError("the target holds something else; copy into an empty database")
    there.execute(insert(counters), {"name": COPYING, "value": number[LOG]})
    return TransferResult()


def _transfer_pass(here: Connection, there: Connection, progress: Progress) -> TransferResult:
    copied = TransferResult()
    for table in _TRANSFERRED:
        total, gone_through = _count(here, table), 0
        for rows, after, upto in _batches(here, table):
            copied.changed += _sync_range(there, table, rows, after, upto)
            gone_through += len(rows)
            progress(table.name, gone_through, max(total, gone_through))
        copied.rows[table.name] = gone_through
    for name, value in read_markers(here).items():
        there.execute(delete(counters).where(counters.c.name == name))
        there.execute(insert(counters), {"name": name, "value": value})
    return copied


def _batches(connection: Connection, table: Table) -> Iterator[tuple[Sequence[Any], Any, Any]]:
    """Rows in the order of the key, with the keys they lie between; ``None`` where there is no bound."""
    key = tuple_(*table.primary_key.columns)
    after: Any = None
    while True:
        asked = select(table).order_by(*table.primary_key.columns).limit(BATCH)
        rows = connection.execute(asked if after is None else asked.where(key > after)).all()
        upto = _key(table, rows[-1]) if len(rows) == BATCH else None
        yield rows, after, upto
        if upto is None:
            return
        after = upto


def _sync_range(there: Connection, table: Table, rows: Sequence[Any], after: Any, upto: Any) -> int:
    """Make the target hold exactly ``rows`` between two keys. Answers how many were written or deleted."""
    found = {_key(table, row): row for row in there.execute(select(table).where(_between(table, after, upto)))}
    wanted = {_key(table, row): row for row in rows}
    missing = [row for key, row in wanted.items() if found.get(key) != row]
    surplus = [key for key, row in found.items() if wanted.get(key) != row]
    if missing or surplus:
        there.execute(text("BEGIN"))
        for key in surplus:
            there.execute(delete(table).where(tuple_(*table.primary_key.columns) == key))
        if missing:
            there.execute(insert(table), [dict(row._mapping) for row in missing])
        there.execute(text("COMMIT"))
    return len({*(_key(table, row) for row in missing), *surplus})


def _between(table: Table, after: Any, upto: Any) -> Any:
    key = tuple_(*table.primary_key.columns)
    bounds = [*(() if after is None else (key > after,)), *(() if upto is None else (key <= upto,))]
    return and_(True, *bounds)


def _key(table: Table, row: Any) -> tuple[Any, ...]:
    return tuple(row._mapping[column] for column in table.primary_key.columns)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _compare(here: Connection, there: Connection) -> None:
    """Raises ``StoreUnavailable`` unless both hold the same."""
    for table in _TRANSFERRED:
        if _digest(here, table) != _digest(there, table):
            raise StoreUnavailable(f"{table.name} is not the same on both sides; run it again")


def _close(here: Connection) -> None:
    """For good, before the target is opened: at no time are both open.

    An issuer that was cut off meanwhile, and comes back, must find nothing to go on with: what it acknowledged here
    nobody would ever read.
    """
    here.execute(insert(counters), {"name": MOVED, "value": 1})
    for table in _CLOSED:
        here.execute(text(f"ALTER TABLE {table.name} RENAME TO moved_{table.name}"))


def _open(there: Connection) -> None:
    """Safe to repeat."""
    if there.dialect.name == "postgresql":
        there.execute(text(_NEXT_EVENT))
    there.execute(delete(counters).where(counters.c.name == COPYING))


def _digest(connection: Connection, table: Table) -> str:
    digest = hashlib.sha256()
    for rows, _, _ in _batches(connection, table):
        for row in rows:
            digest.update(repr(tuple(map(_plain, row))).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    # One driver says bytes, the other a view of them.
    return value.tobytes() if type(value) is memoryview else value


@contextmanager
def _exclusive(source: Database) -> Generator[Connection | None]:
    """A connection beside which nobody writes until it ends; ``None`` when somebody else uses the source."""
    with source.engine.connect() as connection:
        held = _hold_server(connection) if source.address is not None else _hold_file(connection)
        yield connection if held else None
        if held:
            connection.execute(text("COMMIT"))


def _hold_server(connection: Connection) -> bool:
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    ).scalar_one()
    if others:
        return False
    connection.execute(text("BEGIN"))
    connection.execute(text("LOCK TABLE counters IN ACCESS EXCLUSIVE MODE"))
    return True


def _hold_file(connection: Connection) -> bool:
    # Leaving the write-ahead log takes the file for oneself: it fails while any other connection is open.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout=200")
    try:
        driver.execute("PRAGMA journal_mode=DELETE")
        connection.execute(text("BEGIN EXCLUSIVE"))
    except (sqlite3.OperationalError, SQLAlchemyError):
        return False
    return True

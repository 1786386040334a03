"""Copy of one database into another, in passes that can run while the source is in use.

Each pass walks every table in key order and makes the target equal: equal rows are kept, different rows are replaced,
surplus rows are deleted. A pass can therefore be aborted and repeated. A marker in the target keeps issuers from using
it until a last pass, with the source locked against writers, was compared row by row.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, select, text, tuple_
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.database import Database, find_database, require_database
from keyturn.stores.sql.markers import COPYING, MOVED, read_markers
from keyturn.stores.sql.migrate import upgrade
from keyturn.stores.sql.operation import Row
from keyturn.stores.sql.tables import (
    LOG_ID,
    accounts,
    audit,
    counters,
    marks,
    one_time,
    one_time_kinds,
    revocations,
    sessions,
    signing_keys,
    throttles,
)

_BATCH: Final = 500
TIMEOUT_SECONDS: Final = 30.0

# Revocations last: an entry must not be in the target before the session that it ends.
_TRANSFERRED: Final = (signing_keys, accounts, sessions, marks, throttles, audit, one_time, one_time_kinds, revocations)
_RENAMED: Final = (accounts, sessions, one_time, revocations)
_MUST_BE_EMPTY: Final = (signing_keys, accounts, sessions, revocations, audit, one_time)

# Copied events keep the ids of the source: the next id must not collide with them.
_NEXT_EVENT: Final = """
SELECT setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false)
"""

TransferProgress = Callable[[str, int, int], None]
"""Progress callback: receives the table's name, the number of rows done and the total."""


@dataclass(slots=True)
class TransferResult:
    """Result of a copy. ``rows``: rows per table. ``changed``: rows written. ``finished``: the source is closed."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    changed: int = 0
    finished: bool = False


def _no_progress(_table: str, _done: int, _total: int) -> None:
    pass


def copy_database(source_url: str, target_url: str, progress: TransferProgress = _no_progress) -> TransferResult:
    """Make the target equal to the source, and complete the move if no other connection uses the source.

    Raises ``ConfigurationError`` for unusable URLs and for a target with other data, ``StoreUnavailable`` if a database
    cannot be reached.
    """
    require_database(source_url)
    source_db, target_db = _open_database(source_url, "the source"), _open_database(target_url, "the target")
    try:
        with source_db.engine.connect() as source, target_db.engine.connect() as target:
            result = _claim(source, target)
            if not result.finished:
                result = _transfer_pass(source, target, progress)
        if not result.finished:
            with _lock_source(source_db) as locked, target_db.engine.connect() as target:
                if locked is not None:
                    result.changed += _transfer_pass(locked, target, progress).changed
                    _compare(locked, target)
                    _close_source(locked)
                    result.finished = True
        if result.finished:
            with target_db.engine.connect() as target:
                _open_target(target)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"the copy was interrupted: {type(error).__name__}; run the command again to continue"
        ) from error
    else:
        return result
    finally:
        source_db.engine.dispose()
        target_db.engine.dispose()


def _open_database(url: str, label: str) -> Database:
    database = find_database(url, TIMEOUT_SECONDS)
    upgrade(database.engine, label)
    return database


def _claim(source: Connection, target: Connection) -> TransferResult:
    """Mark an empty target as being copied to. Return a finished result if only opening the target is left to do."""
    source_markers, target_markers = read_markers(source), read_markers(target)
    if MOVED in target_markers:
        raise ConfigurationError("the target was itself moved with `keyturn db copy`; copy into an empty database")
    if target_markers.get(COPYING) == source_markers[LOG_ID]:
        finished = MOVED in source_markers
        return TransferResult({each.name: _count(target, each) for each in _TRANSFERRED if finished}, finished=finished)
    if MOVED in source_markers:
        raise ConfigurationError("the source was already moved to another target; it is closed")
    if target_markers[LOG_ID] == source_markers[LOG_ID]:
        raise ConfigurationError("the target is the source, or a backup of it; copy into an empty database")
    if COPYING in target_markers or any(_count(target, table) for table in _MUST_BE_EMPTY):
        raise ConfigurationError("the target has other data; copy into an empty database")
    target.execute(insert(counters), {"name": COPYING, "value": source_markers[LOG_ID]})
    return TransferResult()


def _transfer_pass(source: Connection, target: Connection, progress: TransferProgress) -> TransferResult:
    result = TransferResult()
    for table in _TRANSFERRED:
        total, done = _count(source, table), 0
        for rows, after, last in _batches(source, table):
            result.changed += _sync_range(target, table, rows, after, last)
            done += len(rows)
            progress(table.name, done, max(total, done))
        result.rows[table.name] = done
    for name, value in read_markers(source).items():
        target.execute(delete(counters).where(counters.c.name == name))
        target.execute(insert(counters), {"name": name, "value": value})
    return result


def _batches(connection: Connection, table: Table) -> Iterator[tuple[Sequence[Row], Row | None, Row | None]]:
    """Yield rows in key order, with the keys before and at the end of each batch; None for no bound."""
    key = tuple_(*table.primary_key.columns)
    after: Row | None = None
    while True:
        query = select(table).order_by(*table.primary_key.columns).limit(_BATCH)
        rows = connection.execute(query if after is None else query.where(key > after)).all()
        last = _key(table, rows[-1]) if len(rows) == _BATCH else None
        yield rows, after, last
        if last is None:
            return
        after = last


def _sync_range(target: Connection, table: Table, rows: Sequence[Row], after: Row | None, last: Row | None) -> int:
    """Make the target hold exactly ``rows`` between two keys. Return the number of written and deleted rows."""
    existing = {_key(table, row): row for row in target.execute(select(table).where(_between(table, after, last)))}
    expected = {_key(table, row): row for row in rows}
    missing = [row for key, row in expected.items() if existing.get(key) != row]
    surplus = [key for key, row in existing.items() if expected.get(key) != row]
    if missing or surplus:
        target.execute(text("BEGIN"))
        for key in surplus:
            target.execute(delete(table).where(tuple_(*table.primary_key.columns) == key))
        if missing:
            target.execute(insert(table), [dict(zip(table.columns.keys(), row, strict=True)) for row in missing])
        target.execute(text("COMMIT"))
    return len({*(_key(table, row) for row in missing), *surplus})


def _between(table: Table, after: Row | None, last: Row | None) -> ColumnElement[bool]:
    key = tuple_(*table.primary_key.columns)
    bounds = [*(() if after is None else (key > after,)), *(() if last is None else (key <= last,))]
    return and_(True, *bounds)


def _key(table: Table, row: Any) -> Row:
    return tuple(row._mapping[column] for column in table.primary_key.columns)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _compare(source: Connection, target: Connection) -> None:
    """Compare both databases by digest. Raises ``StoreUnavailable`` for a difference."""
    for table in _TRANSFERRED:
        if _digest(source, table) != _digest(target, table):
            raise StoreUnavailable(f"{table.name} differs between source and target; run the command again")


def _close_source(source: Connection) -> None:
    """Close the source permanently, before the target is opened: never are both open.

    An issuer that was disconnected meanwhile must fail when it returns: its writes to the source would be lost.
    """
    source.execute(insert(counters), {"name": MOVED, "value": 1})
    for table in _RENAMED:
        source.execute(text(f"ALTER TABLE {table.name} RENAME TO moved_{table.name}"))


def _open_target(target: Connection) -> None:
    """Open the target for use. Safe to repeat."""
    if target.dialect.name == "postgresql":
        target.execute(text(_NEXT_EVENT))
    target.execute(delete(counters).where(counters.c.name == COPYING))


def _digest(connection: Connection, table: Table) -> str:
    digest = hashlib.sha256()
    for rows, _, _ in _batches(connection, table):
        for row in rows:
            digest.update(repr(tuple(map(_normalize, row))).encode())
    return digest.hexdigest()


def _normalize(value: object) -> object:
    # Drivers return binary columns as bytes or as memoryview.
    return value.tobytes() if isinstance(value, memoryview) else value


@contextmanager
def _lock_source(source: Database) -> Generator[Connection | None]:
    """Yield a connection that locks out all writers, or None if another connection uses the source."""
    with source.engine.connect() as connection:
        is_locked = _lock_server(connection) if source.address is not None else _lock_file(connection)
        yield connection if is_locked else None
        if is_locked:
            connection.execute(text("COMMIT"))


def _lock_server(connection: Connection) -> bool:
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


def _lock_file(connection: Connection) -> bool:
    # Leaving WAL mode needs exclusive access: it fails while any other connection is open.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout=200")
    try:
        driver.execute("PRAGMA journal_mode=DELETE")
        connection.execute(text("BEGIN EXCLUSIVE"))
    except (sqlite3.OperationalError, SQLAlchemyError):
        return False
    return True

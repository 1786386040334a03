"""Temporary storage in the user's own store: empty at first, deleted afterwards."""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.connect_errors import explain_connect_error


@dataclass(frozen=True, slots=True)
class ScratchStore:
    """Temporary storage.

    ``environment``: environment variables of an instance. ``kind``: the kind of store, for display.
    """

    kind: str
    store: str
    sessions: str
    environment: dict[str, str]
    folder: Path

    def used_bytes(self) -> float:
        """Return the bytes stored so far."""
        if self.sessions:
            return float(_redis(self.sessions).info("memory")["used_memory"])
        if self.store.startswith("sqlite"):
            with closing(sqlite3.connect(self.store.partition(":///")[2])) as file:
                pages = [file.execute(f"PRAGMA {each}").fetchone()[0] for each in ("page_count", "page_size")]
            return float(pages[0] * pages[1])
        with _postgres(self.store) as connection:
            row: Any = connection.execute("SELECT pg_total_relation_size('sessions')").fetchone()
            return float(row[0])


@contextmanager
def open_scratch_store(store: str, sessions: str, issuer: str) -> Generator[ScratchStore]:
    """Create temporary storage in ``store``, and delete it afterwards.

    ``store``: URL of a database, or empty for a temporary SQLite file. ``sessions``: URL of a Redis, or empty.
    Raises ``ConfigurationError`` if the existing data cannot be kept separate.
    """
    with tempfile.TemporaryDirectory(prefix="keyturn-compare-") as path:
        folder = Path(path)
        with _database(store, folder) as (kind, url), _empty_redis(sessions):
            settings = {
                "STORE": url,
                "SESSION_STORE": sessions,
                "ISSUER": issuer,
                "AUDIENCE": issuer,
                "SECRET": secrets.token_hex(32),
                "SERVICE_TOKEN": secrets.token_hex(32),
                "DATA_DIR": str(folder),
                "ALGORITHM": "RS256",
                "REVOCATION_STALENESS_SECONDS": "1",
            }
            environment = {f"KEYTURN_{each}": value for each, value in settings.items() if value}
            inherited = {each: value for each, value in os.environ.items() if not each.startswith("KEYTURN_")}
            yield ScratchStore(
                kind + (", sessions in Redis" if sessions else ""), url, sessions, inherited | environment, folder
            )


@contextmanager
def _database(store: str, folder: Path) -> Generator[tuple[str, str]]:
    if not store or store.startswith("sqlite"):
        # A file in the same directory as the user's: on the same disk, but without the user's rows.
        directory = Path(store.partition(":///")[2]).parent if store else folder
        if not directory.is_dir():
            raise ConfigurationError(f"store: {directory} is not a directory")
        with tempfile.TemporaryDirectory(prefix=".keyturn-compare-", dir=directory) as path:
            yield "SQLite", f"sqlite:///{path}/keyturn.db"
        return
    if not store.startswith("postgres"):
        raise ConfigurationError("store: keyturn compare supports SQLite and PostgreSQL; use --sessions for Redis")
    schema = f"keyturn_compare_{secrets.token_hex(4)}"
    with _postgres(store) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        separator = "&" if "?" in store else "?"
        yield "PostgreSQL", f"{store}{separator}options={quote(f'-csearch_path={schema}')}"
    finally:
        with _postgres(store) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def _empty_redis(sessions: str) -> Generator[None]:
    if not sessions:
        yield
        return
    client = _redis(sessions)
    from keyturn.stores.redis.connect import translate_errors

    with translate_errors():
        keys = client.dbsize()
    if keys:
        raise ConfigurationError("session_store: this Redis database is not empty; use an empty one, such as .../15")
    try:
        yield
    finally:
        client.flushdb()


def _redis(url: str) -> Any:
    if find_spec("redis") is None:
        raise ConfigurationError(
            "session_store: the package redis is not installed; in a clone of Keyturn: pip install '.[redis]'"
        )
    from keyturn.stores.redis.address import read_redis_address
    from keyturn.stores.redis.connect import connect

    return connect(read_redis_address(url, "session_store"))


@contextmanager
def _postgres(url: str) -> Generator[Any]:
    import psycopg

    dsn = url.replace("postgresql+asyncpg://", "postgresql://").replace("postgresql+psycopg://", "postgresql://")
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            yield connection
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"store: the database rejected the connection or a statement: {explain_connect_error(error)}"
        ) from None

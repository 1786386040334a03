"""Accounts in any SQLAlchemy table or model."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, Table, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from keyturn.accounts.port import Login
from keyturn.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet

_DEFAULTS = {
    "identifier": "email",
    "password_hash": "hashed_password",
    "active": "is_active",
    "scope": "",
    "created_at": "",
}
_Result = TypeVar("_Result")


def _problem(table: str, unknown: list[str], missing: list[str], key_columns: int) -> str:
    """Return what is wrong with a table, and what to do."""
    problems = [f"{each} is no argument (they are {', '.join(_DEFAULTS)})" for each in unknown]
    problems += [f"there is no column {each}: name yours, such as active='enabled'" for each in missing]
    if key_columns != 1:
        problems.append(f"its primary key has {key_columns} columns, and 1 is needed")
    return f"accounts in the table {table}: {'; '.join(problems)}"


class _Statements:
    """Statements over a table. ``table``, ``columns``: as ``SqlAlchemyAccounts``."""

    def __init__(self, table: Any, columns: Mapping[str, str]) -> None:
        unknown = set(columns) - set(_DEFAULTS)
        self.table: Table = table if isinstance(table, Table) else inspect(table).local_table
        keys = list(self.table.primary_key)
        names = {**_DEFAULTS, **columns}
        missing = [each for each in names.values() if each and each not in self.table.c]
        if unknown or missing or len(keys) != 1:
            raise ConfigurationError(_problem(self.table.name, sorted(unknown), missing, len(keys)))
        self.key = keys[0]
        self.subject_type = self.key.type.python_type
        self._columns = {name: self.table.c[column] for name, column in names.items() if column}

    def find(self, connection: Connection, identifier: str) -> Login | None:
        return self._login(connection, self._columns["identifier"] == identifier)

    def load(self, connection: Connection, subject: Any) -> Login | None:
        return self._login(connection, self.key == subject)

    def user(self, connection: Connection, subject: Any) -> Mapping[str, Any] | None:
        row = connection.execute(select(self.table).where(self.key == subject)).mappings().one_or_none()
        return None if row is None else {str(name): value for name, value in row.items()}

    def set_password(self, connection: Connection, subject: Any, new: str, expected: str) -> bool:
        column = self._columns["password_hash"]
        statement = update(self.table).where(self.key == subject, column == expected).values({column: new})
        return connection.execute(statement).rowcount == 1

    def create(self, connection: Connection, identifier: str, password_hash: str) -> Any:
        values = {self._columns["identifier"]: identifier, self._columns["password_hash"]: password_hash}
        made = connection.execute(insert(self.table).values(values)).inserted_primary_key
        return None if made is None else made[0]

    def password_hashes(self, connection: Connection, limit: int) -> list[str]:
        column = self._columns["password_hash"]
        return list(connection.execute(select(column).order_by(self.key).limit(limit)).scalars())

    def _login(self, connection: Connection, condition: Any) -> Login | None:
        names = list(self._columns)
        row = connection.execute(select(self.key, *self._columns.values()).where(condition)).one_or_none()
        if row is None:
            return None
        values = dict(zip(names, row[1:], strict=True))
        return Login(
            subject=row[0],
            password_hash=values["password_hash"],
            active=bool(values.get("active", True)),
            identifier=values["identifier"],
            scope=values.get("scope") or "",
            created_at=values.get("created_at"),
        )


class SqlAlchemyAccounts:
    """``Accounts`` in a table or a declarative model, over a synchronous engine.

    ``columns``: names of the columns of ``identifier`` (default ``email``), ``password_hash`` (``hashed_password``),
    ``active`` (``is_active``; empty if there is none), ``scope`` and ``created_at`` (default: none). The subject is the
    primary key, of one column of integers, UUIDs or text. An ``AsyncIssuer`` runs the calls in threads.
    """

    def __init__(self, engine: Engine, table: Any, **columns: str) -> None:
        self.engine = engine
        self._statements = made = _Statements(table, columns)
        self.table, self.key, self.subject_type = made.table, made.key, made.subject_type

    def find(self, identifier: str) -> Login | None:
        """Return the account with this identifier. Addresses are compared as they are stored, in lower case."""
        return self._run(self._statements.find, identifier)

    def load(self, subject: Any) -> Login | None:
        """Return the account with this primary key."""
        return self._run(self._statements.load, subject)

    def user(self, subject: Any) -> Any:
        """Return the row with this primary key, as a mapping."""
        return self._run(self._statements.user, subject)

    def set_password(self, subject: Any, new: str, expected: str) -> bool:
        """Swap the hash in one UPDATE, and commit."""
        return self._run(self._statements.set_password, subject, new, expected)

    def create(self, identifier: str, password_hash: str) -> Any:
        """Insert a row; None if the identifier is taken. Other columns need defaults."""
        try:
            return self._run(self._statements.create, identifier, password_hash)
        except IntegrityError:
            if self.find(identifier) is None:
                raise  # another constraint: a column without a default
            return None

    def password_hashes(self, limit: int) -> list[str]:
        """Return the hashes of the first accounts."""
        return self._run(self._statements.password_hashes, limit)

    def _run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        with self.engine.begin() as connection:
            return function(connection, *arguments)


class AsyncSqlAlchemyAccounts:
    """``SqlAlchemyAccounts`` over an ``AsyncEngine``, for an ``AsyncIssuer``.

    Unknown accounts cost one format of hash: a coroutine function gives no sample of those that are stored.
    """

    def __init__(self, engine: "AsyncEngine", table: Any, **columns: str) -> None:
        self.engine = engine
        self._statements = made = _Statements(table, columns)
        self.table, self.key, self.subject_type = made.table, made.key, made.subject_type

    async def find(self, identifier: str) -> Login | None:
        """Return the account with this identifier."""
        return await self._run(self._statements.find, identifier)

    async def load(self, subject: Any) -> Login | None:
        """Return the account with this primary key."""
        return await self._run(self._statements.load, subject)

    async def user(self, subject: Any) -> Any:
        """Return the row with this primary key, as a mapping."""
        return await self._run(self._statements.user, subject)

    async def set_password(self, subject: Any, new: str, expected: str) -> bool:
        """Swap the hash in one UPDATE, and commit."""
        return await self._run(self._statements.set_password, subject, new, expected)

    async def create(self, identifier: str, password_hash: str) -> Any:
        """Insert a row; None if the identifier is taken. Other columns need defaults."""
        try:
            return await self._run(self._statements.create, identifier, password_hash)
        except IntegrityError:
            if await self.find(identifier) is None:
                raise  # another constraint: a column without a default
            return None

    async def _run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        async with self.engine.begin() as connection:
            return await connection.run_sync(function, *arguments)

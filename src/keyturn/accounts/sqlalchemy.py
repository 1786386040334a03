"""Accounts in any SQLAlchemy table or model."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Table, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from keyturn.accounts.port import Login
from keyturn.errors import ConfigurationError

_DEFAULTS = {"identifier": "email", "password_hash": "hashed_password", "active": "is_active", "scope": ""}


class SqlAlchemyAccounts:
    """``Accounts`` in a table or a declarative model, over a synchronous engine.

    ``columns``: names of the columns of ``identifier`` (default ``email``), ``password_hash`` (``hashed_password``),
    ``active`` (``is_active``; empty if there is none) and ``scope`` (default: none). The subject is the primary key, of
    one column of integers, UUIDs or text. An ``AsyncIssuer`` runs the calls in threads.
    """

    def __init__(self, engine: Engine, table: Any, **columns: str) -> None:
        unknown = set(columns) - set(_DEFAULTS)
        self.table: Table = table if isinstance(table, Table) else inspect(table).local_table
        keys = list(self.table.primary_key)
        names = {**_DEFAULTS, **columns}
        missing = [each for each in names.values() if each and each not in self.table.c]
        if unknown or missing or len(keys) != 1:
            raise ConfigurationError(
                f"accounts in {self.table.name}: unknown arguments {sorted(unknown)}, missing columns {missing}, "
                f"{len(keys)} columns in the primary key (1 is needed)"
            )
        self.engine = engine
        self.key = keys[0]
        self.subject_type = self.key.type.python_type
        self._columns = {name: self.table.c[column] for name, column in names.items() if column}

    def find(self, identifier: str) -> Login | None:
        """Return the account with this identifier. Addresses are compared as they are stored, in lower case."""
        return self._login(self._columns["identifier"] == identifier)

    def load(self, subject: Any) -> Login | None:
        """Return the account with this primary key."""
        return self._login(self.key == subject)

    def user(self, subject: Any) -> Mapping[str, Any] | None:
        """Return the row with this primary key."""
        with self.engine.connect() as connection:
            row = connection.execute(select(self.table).where(self.key == subject)).mappings().one_or_none()
        return None if row is None else {str(name): value for name, value in row.items()}

    def set_password(self, subject: Any, new: str, expected: str) -> bool:
        """Swap the hash in one UPDATE, and commit."""
        column = self._columns["password_hash"]
        statement = update(self.table).where(self.key == subject, column == expected).values({column: new})
        with self.engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def create(self, identifier: str, password_hash: str) -> Any:
        """Insert a row; None if the identifier is taken. Other columns need defaults."""
        values = {self._columns["identifier"]: identifier, self._columns["password_hash"]: password_hash}
        try:
            with self.engine.begin() as connection:
                made = connection.execute(insert(self.table).values(values)).inserted_primary_key
                return None if made is None else made[0]
        except IntegrityError:
            if self.find(identifier) is None:
                raise  # another constraint: a column without a default
            return None

    def password_hashes(self, limit: int) -> list[str]:
        """Return the hashes of the first accounts."""
        column = self._columns["password_hash"]
        with self.engine.connect() as connection:
            return list(connection.execute(select(column).order_by(self.key).limit(limit)).scalars())

    def _login(self, condition: Any) -> Login | None:
        names = list(self._columns)
        with self.engine.connect() as connection:
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
        )

"""Accounts of an application, as one would write them: a SQLite table of its own, and the same without blocking."""

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyturn.accounts import Login
from keyturn.passwords import Argon2Hasher, Argon2Parameters

CHEAP = Argon2Parameters(memory_cost=8, time_cost=1)
PASSWORD, OTHER = "violet umbrella 7 o clock", "copper lantern 9 in the rain"
_COLUMNS = "id, email, password, active, scope"


def hash_password(password: str) -> str:
    hasher = Argon2Hasher(CHEAP, threads=1)
    try:
        return hasher.hash(password)
    finally:
        hasher.close()


@dataclass
class Customer:
    """The application's own object."""

    id: int
    email: str


class TableAccounts:
    """The narrow port over a table ``customers``."""

    subject_type = int

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run(
            "create table if not exists customers (id integer primary key, email text unique, password text, "
            "active integer not null default 1, scope text not null default '')"
        )

    def find(self, identifier: str) -> Login | None:
        return self._login(self.run(f"select {_COLUMNS} from customers where email = ?", identifier))

    def load(self, subject: int) -> Login | None:
        return self._login(self.run(f"select {_COLUMNS} from customers where id = ?", subject))

    def set_password(self, subject: int, new: str, expected: str) -> bool:
        query = "update customers set password = ? where id = ? and password = ? returning id"
        return bool(self.run(query, new, subject, expected))

    def create(self, identifier: str, password_hash: str) -> int | None:
        try:
            rows = self.run(
                "insert into customers (email, password) values (?, ?) returning id", identifier, password_hash
            )
        except sqlite3.IntegrityError:
            return None
        return int(rows[0][0])

    def user(self, subject: int) -> Customer | None:
        rows = self.run("select id, email from customers where id = ?", subject)
        return Customer(*rows[0]) if rows else None

    def run(self, query: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(self.path, timeout=30)
        try:
            with connection:
                return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def _login(self, rows: list[Any]) -> Login | None:
        if not rows:
            return None
        key, email, password, active, scope = rows[0]
        return Login(subject=key, password_hash=password, active=bool(active), identifier=email, scope=scope)


class AsyncTableAccounts:
    """``TableAccounts`` with coroutine functions."""

    subject_type = int

    def __init__(self, path: Path) -> None:
        self.table = TableAccounts(path)

    async def find(self, identifier: str) -> Login | None:
        return await asyncio.to_thread(self.table.find, identifier)

    async def load(self, subject: int) -> Login | None:
        return await asyncio.to_thread(self.table.load, subject)

    async def set_password(self, subject: int, new: str, expected: str) -> bool:
        return await asyncio.to_thread(self.table.set_password, subject, new, expected)

    async def create(self, identifier: str, password_hash: str) -> int | None:
        return await asyncio.to_thread(self.table.create, identifier, password_hash)

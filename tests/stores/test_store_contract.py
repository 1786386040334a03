"""The shipped contract over the stores that need no server, sync and async."""

from collections.abc import Iterator

import pytest

from keyturn.stores.memory import MemoryStore
from keyturn.stores.open import open_async_store, open_store
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestAsyncMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Blocking]:
        store = Blocking(open_async_store("memory:"))
        yield store
        store.close()


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, file_url: str) -> Iterator[SqlStore | MemoryStore]:
        store = open_store(file_url)
        yield store
        store.close()


class TestAsyncSqlite(StoreContract):
    @pytest.fixture
    def store(self, file_url: str) -> Iterator[Blocking]:
        store = Blocking(open_async_store(file_url))
        yield store
        store.close()


def test_no_part_of_the_contract_hides_another() -> None:
    names = [name for part in StoreContract.__bases__ for name in vars(part) if name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)

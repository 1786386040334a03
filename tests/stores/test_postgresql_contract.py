"""The shipped contract over PostgreSQL: sync, and async with both drivers."""

from collections.abc import Iterator

import pytest

from keyturn.stores.open import open_async_store, open_store
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract import StoreContract
from services.fixtures import Fresh


class TestPostgres(StoreContract):
    @pytest.fixture
    def store(self, fresh: Fresh) -> Iterator[object]:
        store = open_store(fresh("postgresql"))
        yield store
        store.close()


class TestAsyncPostgres(StoreContract):
    @pytest.fixture(params=["postgresql+asyncpg", "postgresql+psycopg"])
    def store(self, request: pytest.FixtureRequest, fresh: Fresh) -> Iterator[Blocking]:
        store = Blocking(open_async_store(fresh(request.param)))
        yield store
        store.close()

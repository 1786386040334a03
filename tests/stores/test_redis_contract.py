"""The shipped contract over sessions in Redis, sync and async: one server, behind sentinels, a cluster of three."""

from collections.abc import Iterator

import pytest

from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract import StoreContract
from services import RedisCluster, RedisSentinels, RedisServer
from services.fixtures import Fresh

CONTRACT = "tests/stores/test_redis_contract.py::{}::test_a_stored_session_is_loaded_unchanged"
ONE_SERVER, ASYNC_CLUSTER = CONTRACT.format("TestOneServer"), CONTRACT.format("TestAsyncCluster")


class TestOneServer(StoreContract):
    @pytest.fixture
    def store(self, empty_redis: RedisServer, file_url: str) -> Iterator[object]:
        store = open_store(file_url, redis_sessions=RedisSessions(empty_redis.url))
        yield store
        store.close()


class TestAsyncOneServerAndPostgres(StoreContract):
    @pytest.fixture
    def store(self, empty_redis: RedisServer, fresh: Fresh) -> Iterator[Blocking]:
        store = Blocking(open_async_store(fresh("postgresql"), redis_sessions=RedisSessions(empty_redis.url)))
        yield store
        store.close()


@pytest.mark.long(stands_in=ONE_SERVER)
class TestSentinels(StoreContract):
    @pytest.fixture
    def store(self, empty_sentinels: RedisSentinels, file_url: str) -> Iterator[object]:
        store = open_store(file_url, redis_sessions=RedisSessions(empty_sentinels.url, replicas=1))
        yield store
        store.close()


@pytest.mark.long(stands_in=ASYNC_CLUSTER)
class TestCluster(StoreContract):
    @pytest.fixture
    def store(self, empty_cluster: RedisCluster, file_url: str) -> Iterator[object]:
        store = open_store(file_url, redis_sessions=RedisSessions(empty_cluster.url))
        yield store
        store.close()


class TestAsyncCluster(StoreContract):
    @pytest.fixture
    def store(self, empty_cluster: RedisCluster, file_url: str) -> Iterator[Blocking]:
        store = Blocking(open_async_store(file_url, redis_sessions=RedisSessions(empty_cluster.url)))
        yield store
        store.close()

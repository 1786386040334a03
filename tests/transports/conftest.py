"""A real Redis with relays, and a feed that reads it."""

from collections.abc import Iterator

import pytest

from keyturn.transports import RedisFeed
from services.redis import RedisServer
from transports.redis_relay import RedisRelayFixture


@pytest.fixture
def relaying(own_redis: RedisServer) -> Iterator[RedisRelayFixture]:
    relaying = RedisRelayFixture(own_redis)
    yield relaying
    relaying.close()


@pytest.fixture
def feed(relaying: RedisRelayFixture) -> Iterator[RedisFeed]:
    feed = relaying.feed()
    yield feed
    feed.close()

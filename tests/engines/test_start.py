"""A server that does not start is noticed at once, and another one on its port is not taken for it."""

from collections.abc import Iterator

import pytest

from engines.process import Engine
from engines.redis import RedisServer


class Ends(Engine):
    """A server that says why it cannot go on."""

    command = ("sh", "-c", "echo no port left; exit 1")

    def ready(self) -> bool:
        return False


@pytest.fixture
def intruder(own_redis: RedisServer) -> Iterator[RedisServer]:
    """A server that is told the port of another."""
    server = RedisServer(port=own_redis.port)
    yield server
    server.remove()


def test_a_server_that_ends_fails_with_the_tail_of_its_log() -> None:
    server = Ends()
    with pytest.raises(AssertionError, match="sh did not start: no port left"):
        server.start()
    server.remove()


def test_a_redis_whose_port_is_taken_does_not_start(own_redis: RedisServer, intruder: RedisServer) -> None:
    with pytest.raises(AssertionError, match="already in use"):
        intruder.start()
    assert own_redis.ready()
    assert not intruder.ready()

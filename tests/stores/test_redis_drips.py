"""A Redis, or whoever stands between, that answers a byte now and then: each answer has its time, and no more."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Event, Thread
from typing import Any

import pytest

from engines.redis import RedisServer
from keyturn.errors import StoreUnavailable
from keyturn.stores.redis.address import read_address
from keyturn.stores.redis.connect import connect, speaking

DEADLINE_SECONDS = 0.9
DRIP_SECONDS = 0.05
LONGEST = 400


class Link:
    """Between us and a Redis: passes on everything, or, from ``slow`` on, ``drops``, one byte at a time."""

    def __init__(self, behind: int) -> None:
        self.slow = Event()
        self.drops = b"$1000\r\nxxxxxxxxxxxxxx"
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._behind))
                Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.slow.is_set():
                    self._drip(target)
                target.sendall(data)
        target.close()

    def _drip(self, target: socket.socket) -> None:
        for number in range(LONGEST):
            target.sendall(self.drops[number : number + 1] or b"x")
            time.sleep(DRIP_SECONDS)


@pytest.fixture
def link(own_redis: RedisServer) -> Iterator[Link]:
    made = Link(own_redis.port)
    yield made
    made.close()


def _client(url: str) -> Any:
    return closing(connect(read_address(url), deadline_seconds=DEADLINE_SECONDS, connections=2))


@pytest.mark.parametrize(
    "drops",
    [b"$1000\r\nxxxxxxxxxxxxxx", b"*1000\r\n:1\r\n:1\r\n:1\r\n", b">2\r\n:1\r\n:1\r\n" * 20],
    ids=["bulk", "array", "push"],
)
def test_a_dripped_answer_is_left_and_the_next_is_read(link: Link, drops: bytes) -> None:
    link.drops = drops
    with _client(f"redis://127.0.0.1:{link.port}") as client:
        client.set("a", "1")
        link.slow.set()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"TimeoutError|InvalidResponse"), speaking():
            client.get("a")
        assert time.monotonic() - started < LONGEST * DRIP_SECONDS / 4
        link.slow.clear()
        assert client.get("a") == b"1"


def test_so_is_what_is_answered_while_a_connection_is_opened(link: Link) -> None:
    with _client(f"redis://:wrong@127.0.0.1:{link.port}") as client:
        link.slow.set()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="TimeoutError"), speaking():
            client.get("a")
        assert time.monotonic() - started < LONGEST * DRIP_SECONDS / 4


def test_a_large_answer_and_a_long_silence_are_none(own_redis: RedisServer) -> None:
    with _client(own_redis.url) as client:
        client.set("large", b"x" * 8_000_000)
        assert len(client.get("large")) == 8_000_000
        assert client.xread({"stream": "0"}, block=200) == []


def test_every_connection_of_a_cluster_is_bounded(empty_cluster: Any) -> None:
    with _client(empty_cluster.url) as client:
        client.set("a", "1")
        assert _parsers_of(client) == {"_BoundedParser"}


def _parsers_of(client: Any) -> set[str]:
    pools = [node.redis_connection.connection_pool for node in client.get_nodes() if node.redis_connection]
    connections = [each for pool in pools for each in pool._available_connections]
    return {type(each._parser).__name__ for each in connections if each._sock}

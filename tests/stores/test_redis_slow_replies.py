"""A Redis, or a proxy before it, that replies one byte at a time: each reply has a deadline.

It drips until the connection is closed: a reader without a deadline of its own would read for ever.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from threading import Event, Thread
from typing import Any

import pytest

from keyturn.errors import StoreUnavailable
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.connect import connect, translate_errors
from services.process import until
from services.redis import RedisServer

DEADLINE_SECONDS = 0.9
AMPLE_SECONDS = 30.0
DRIP_SECONDS = 0.05

pytestmark = pytest.mark.timeout(90)


class Link:
    """A TCP proxy in front of Redis.

    Once ``slow`` is set, it sends ``drops`` one byte at a time. ``left``: set when such a connection is closed.
    """

    def __init__(self, behind: int) -> None:
        self.slow, self.left = Event(), Event()
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
                session_cache = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._behind))
                Thread(target=self._pass, args=(session_cache, far, False), daemon=True).start()
                Thread(target=self._pass, args=(far, session_cache, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.slow.is_set():
                    self._drip(target)
                target.sendall(data)
        target.close()

    def _drip(self, target: socket.socket) -> None:
        try:
            for number in count():
                target.sendall(self.drops[number : number + 1] or b"x")
                time.sleep(DRIP_SECONDS)
        finally:
            self.left.set()


@pytest.fixture
def link(own_redis: RedisServer) -> Iterator[Link]:
    made = Link(own_redis.port)
    yield made
    made.close()


def _client(url: str, deadline_seconds: float = DEADLINE_SECONDS) -> Any:
    return closing(connect(read_redis_address(url), deadline_seconds=deadline_seconds, connections=2))


def _reads(client: Any) -> bool:
    with suppress(StoreUnavailable), translate_errors():
        return bool(client.get("a") == b"1")
    return False


@pytest.mark.parametrize(
    "drops",
    [b"$1000\r\nxxxxxxxxxxxxxx", b"*1000\r\n:1\r\n:1\r\n:1\r\n", b">2\r\n:1\r\n:1\r\n" * 20],
    ids=["bulk", "array", "push"],
)
def test_a_dripped_reply_times_out_and_the_next_is_read(link: Link, own_redis: RedisServer, drops: bytes) -> None:
    link.drops = drops
    with own_redis.client() as plain:
        plain.set("a", "1")
    with _client(f"redis://127.0.0.1:{link.port}") as client:
        until(lambda: _reads(client))
        link.slow.set()
        with pytest.raises(StoreUnavailable, match=r"TimeoutError|InvalidResponse"), translate_errors():
            client.get("a")
        assert link.left.wait(AMPLE_SECONDS), "the connection was left open"
        link.slow.clear()
        until(lambda: _reads(client))


def test_a_dripped_reply_to_a_handshake_times_out(link: Link) -> None:
    with _client(f"redis://:wrong@127.0.0.1:{link.port}") as client:
        link.slow.set()
        with pytest.raises(StoreUnavailable, match="TimeoutError"), translate_errors():
            client.get("a")
    assert link.left.wait(AMPLE_SECONDS), "the connection was left open"


def test_a_large_answer_and_a_long_silence_are_none(own_redis: RedisServer) -> None:
    with _client(own_redis.url, AMPLE_SECONDS) as client:
        client.set("large", b"x" * 8_000_000)
        assert len(client.get("large")) == 8_000_000
        assert client.xread({"stream": "0"}, block=200) == []


def test_every_connection_of_a_cluster_is_bounded(empty_cluster: Any) -> None:
    with _client(empty_cluster.url, AMPLE_SECONDS) as client:
        client.set("a", "1")
        assert _parsers_of(client) == {"_BoundedParser"}


def _parsers_of(client: Any) -> set[str]:
    pools = [node.redis_connection.connection_pool for node in client.get_nodes() if node.redis_connection]
    connections = [each for pool in pools for each in pool._available_connections]
    return {type(each._parser).__name__ for each in connections if each._sock}

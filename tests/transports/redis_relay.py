"""Relays from a memory store to a real Redis, and readers of their stream."""

import time
from collections.abc import Callable
from threading import Event, Thread
from urllib.request import Request

from keyturn.clock import boottime
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import Unavailable
from keyturn.stores.memory import MemoryStore
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.relay import Relay
from keyturn.transports import RedisFeed
from services.redis import RedisServer

NOW = Instant(2_000_000_000)
BOUND = 2.0


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class RedisRelayFixture:
    """A log, relays of it into a Redis, and a feed that reads there."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.store = MemoryStore()
        self.stop = Event()
        self.relays: list[Relay] = []
        self.threads: list[Thread] = []
        self.http = False

    def end(self, subject: str, *, lives: int = 3600) -> int:
        entry = Revocation(RevocationKind.CLIENT, subject, NOW, NOW, Instant(NOW + lives))
        sequence = self.store.sessions.raise_not_before(entry).sequence
        for relay in self.relays:
            relay.wake()
        return sequence

    def relay(self) -> Relay:
        relay = Relay(self.store.log, read_redis_address(self.server.url), BOUND / 8)
        thread = Thread(target=relay.run, args=(self.stop,), daemon=True)
        self.relays.append(relay)
        self.threads.append(thread)
        thread.start()
        return relay

    def feed(self) -> RedisFeed:
        def unreachable_issuer(_asked: Request) -> bytes:
            raise Unavailable("no issuer is reached")

        return RedisFeed(
            self.server.url,
            "https://auth.example.com/auth/revocations",
            send=unreachable_issuer,
            staleness_seconds=BOUND,
            interval_seconds=0.1,
            clock=lambda: NOW,
        )

    def close(self) -> None:
        self.stop.set()
        for relay in self.relays:
            relay.wake()
        for thread in self.threads:
            thread.join(30)
        for relay in self.relays:
            relay.close()


def fresh(feed: RedisFeed) -> bool:
    return feed.freshness.is_fresh(boottime())

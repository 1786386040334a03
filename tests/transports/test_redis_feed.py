"""The feed through a real Redis: complete before it counts as fresh, through restarts of relay, reader and Redis."""

import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any
from urllib.request import Request

import pytest

from keyturn.clock import boottime
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.stores.memory import MemoryStore
from keyturn.stores.redis.address import read_address
from keyturn.stores.redis.relay import PAGE, POINTER, Relay, stream_of
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
        relay = Relay(self.store.log, read_address(self.server.url), BOUND / 8)
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


def fresh(feed: RedisFeed) -> bool:
    return feed.freshness.is_fresh(boottime())


def test_revocations_before_and_after_the_start_arrive_and_the_feed_stays_fresh(
    relaying: RedisRelayFixture, feed: RedisFeed
) -> None:
    first = relaying.end("a")
    relaying.relay()
    feed.start()
    until(lambda: feed.revocations.sequence == first and fresh(feed))
    last = relaying.end("b")
    until(lambda: feed.revocations.sequence == last)
    assert feed.revocations.clients == {"a": NOW, "b": NOW}
    seen_at = feed.freshness.complete_as_of
    until(lambda: feed.freshness.complete_as_of > seen_at + BOUND)
    until(lambda: fresh(feed))


def test_several_relays_make_one_stream_and_one_beat(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    for _ in range(4):
        relaying.relay()
    feed.start()
    sequences = [relaying.end(f"client {number}") for number in range(50)]
    until(lambda: feed.revocations.sequence == sequences[-1])
    with relaying.server.client() as client:
        found: Any = client.xrange(stream_of(relaying.store.log.snapshot().log_id))
    entries = [name for name, fields in found if b"e" in fields]
    assert entries == [b"%d-0" % each for each in sequences]
    beats = [name for name, fields in found if b"b" in fields]
    assert len({name.partition(b"-")[0] for name in beats}) == len(beats), "an older beat of a place is left"


def test_a_full_page_is_followed_by_no_heartbeat(relaying: RedisRelayFixture) -> None:
    """P4: a reader would count as complete, while revocations committed before are still to be relayed."""
    for number in range(PAGE + 1):
        relaying.end(f"client {number}")
    relay = Relay(relaying.store.log, read_address(relaying.server.url), BOUND / 8)
    stream = stream_of(relaying.store.log.snapshot().log_id)
    try:
        with relaying.server.client() as client:
            until(lambda: relay.relay_once() and client.xlen(stream) > 0)
            assert [b"b" in fields for _, fields in client.xrange(stream)] == [False] * PAGE
            until(lambda: not relay.relay_once())
            assert [name for name, fields in client.xrange(stream) if b"b" in fields] == [b"%d-1" % (PAGE + 1)]
    finally:
        relay.close()


def test_a_feed_without_heartbeats_is_not_fresh(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    relaying.end("a")
    relay = Relay(relaying.store.log, read_address(relaying.server.url), 60.0)
    while relay.relay_once():
        pass
    relay.relay_once()
    relay.close()
    feed.start()
    until(lambda: "a" in feed.revocations.clients)
    time.sleep(BOUND)
    assert feed.freshness.complete_as_of == float("-inf"), "nobody has read the log since this reader asked"


def test_a_reconnecting_reader_misses_no_entry(relaying: RedisRelayFixture) -> None:
    relaying.relay()
    one = relaying.feed()
    one.start()
    until(lambda: fresh(one))
    missed = [relaying.end(f"client {number}") for number in range(3000)]
    until(lambda: one.revocations.sequence == missed[-1])
    other = relaying.feed()
    other.start()
    until(lambda: other.revocations.sequence == missed[-1] and fresh(other))
    assert other.revocations.clients == one.revocations.clients
    one.close()
    other.close()


def test_an_emptied_redis_is_filled_again(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    relaying.end("a")
    relaying.relay()
    feed.start()
    until(lambda: fresh(feed))
    relaying.server.kill()
    until(lambda: not fresh(feed))
    relaying.end("b")
    for file in relaying.server.folder.rglob("*.aof"):
        file.unlink()
    for file in relaying.server.folder.rglob("*.manifest"):
        file.unlink()
    relaying.server.start()
    until(lambda: feed.revocations.sequence == 2 and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}


def test_a_stream_that_lost_its_end_is_mended_by_any_relay(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    relay = relaying.relay()
    for each in "abc":
        relaying.end(each)
    with relaying.server.client() as client:
        stream = stream_of(relaying.store.log.snapshot().log_id)
        until(lambda: client.exists(stream) and bool(client.xrange(stream, "3-0", "3-0")))
        for name, _ in client.xrange(stream, "2-0"):
            client.xdel(stream, name)
        client.execute_command("XSETID", stream, "1-9")
        relay.wake()
        until(lambda: bool(client.xrange(stream, "3-0", "3-0")))
    feed.start()
    until(lambda: feed.revocations.sequence == 3 and fresh(feed))
    assert set(feed.revocations.clients) == set("abc")


def test_another_log_is_followed_from_its_start_and_known_revocations_are_kept(
    relaying: RedisRelayFixture, feed: RedisFeed
) -> None:
    relaying.end("a")
    relaying.relay()
    feed.start()
    until(lambda: fresh(feed))
    memory = relaying.store.log._memory
    with memory.lock:  # no relay may read a log that is half another
        memory.log_id += 1
        memory.entries.clear()
        memory.sequence = 0
    relaying.end("b")
    until(lambda: "b" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}
    assert feed.revocations.sequence == 1


@pytest.mark.parametrize("name", ["1000-0", "1000-7", "9223372036854775807-0", f"{2**64 - 1}-{2**64 - 1}"])
def test_a_stream_with_foreign_entries_ahead_is_recreated(
    relaying: RedisRelayFixture, feed: RedisFeed, name: str
) -> None:
    """P4: a heartbeat after the foreign entry would confirm revocations that the reader does not have."""
    relaying.end("a")
    relaying.relay()
    feed.start()
    until(lambda: fresh(feed))
    with relaying.server.client() as client:
        stream = stream_of(relaying.store.log.snapshot().log_id)
        client.xadd(stream, {"e": b'["session","nobody",1,1,2]'}, id=name)
        relaying.end("b")
        until(lambda: bool(client.xrange(stream, "2-0", "2-0")))
    until(lambda: "b" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}


def test_an_older_log_without_mark_restored_is_relayed_from_its_start(
    relaying: RedisRelayFixture, feed: RedisFeed
) -> None:
    for each in "abc":
        relaying.end(each)
    relay = relaying.relay()
    feed.start()
    until(lambda: fresh(feed) and len(feed.revocations.clients) == 3)
    memory = relaying.store.log._memory
    with memory.lock:  # a backup was put back, and `keyturn db mark-restored` forgotten
        memory.entries.clear()
        memory.sequence = 0
    relaying.end("d")
    relay.wake()
    until(lambda: "d" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == set("abcd")


def test_expired_entries_are_trimmed_from_the_stream(relaying: RedisRelayFixture) -> None:
    relaying.end("a", lives=10)
    relay = Relay(relaying.store.log, read_address(relaying.server.url), BOUND / 8)
    while relay.relay_once():
        pass
    relaying.store.sessions.purge(Instant(NOW + 11))
    relaying.end("b")
    relay._trimmed_at = float("-inf")
    while relay.relay_once():
        pass
    with relaying.server.client() as client:
        found: Any = client.xrange(stream_of(relaying.store.log.snapshot().log_id))
    assert [name for name, fields in found if b"e" in fields] == [b"2-0"]
    relay.close()


def test_an_unreadable_entry_makes_the_feed_stale(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    with relaying.server.client() as client:
        client.set(POINTER, 7)
        client.xadd(stream_of(7), {"e": b'["tenant","a",1,1,2]'}, id="1-0")
        client.xadd(stream_of(7), {"b": b"0-0"}, id="1-1")
    feed.start().result(30)
    until(lambda: feed.problem != "")
    assert not fresh(feed)
    assert len(feed.revocations) == 0


def test_a_redis_without_a_relay_is_not_waited_for(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    feed.start().result(30)
    assert not fresh(feed)
    assert "no issuer relays" in feed.problem or "cannot be read" in feed.problem


def test_the_feed_polls_the_issuer_while_redis_fails(relaying: RedisRelayFixture) -> None:
    def send(asked: Request) -> bytes:
        nonce = asked.full_url.partition("nonce=")[2]
        return b'{"entries": [], "sequence": 4, "complete": true, "log": 7, "nonce": "%s"}' % nonce.encode()

    gone = RedisFeed("redis://127.0.0.1:1", "https://auth.example.com/f", send=send, interval_seconds=0.1)
    gone.start().result(30)
    assert fresh(gone)
    assert gone.revocations.sequence == 4
    gone.close()


def test_a_url_that_is_none_is_refused_and_not_quoted() -> None:
    with pytest.raises(ConfigurationError) as refused:
        RedisFeed("http://user:hunter2@example.com", "https://auth.example.com/f")
    assert "hunter2" not in str(refused.value)

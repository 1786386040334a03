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
from keyturn.stores.redis.relay import POINTER, Relay, stream_of
from keyturn.transports import RedisFeed
from services.redis import RedisServer

NOW = Instant(2_000_000_000)
BOUND = 2.0


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Told:
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
        def nobody(_asked: Request) -> bytes:
            raise Unavailable("no issuer is reached")

        return RedisFeed(
            self.server.url,
            "https://auth.example.com/auth/revocations",
            send=nobody,
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
def verdict(own_redis: RedisServer) -> Iterator[Told]:
    verdict = Told(own_redis)
    yield verdict
    verdict.close()


@pytest.fixture
def feed(verdict: Told) -> Iterator[RedisFeed]:
    feed = verdict.feed()
    yield feed
    feed.close()


def fresh(feed: RedisFeed) -> bool:
    return feed.freshness.is_fresh(boottime())


def test_revocations_before_and_after_the_start_arrive_and_the_feed_stays_fresh(verdict: Told, feed: RedisFeed) -> None:
    first = verdict.end("a")
    verdict.relay()
    feed.start()
    until(lambda: feed.revocations.sequence == first and fresh(feed))
    last = verdict.end("b")
    until(lambda: feed.revocations.sequence == last)
    assert feed.revocations.clients == {"a": NOW, "b": NOW}
    seen_at = feed.freshness.complete_as_of
    until(lambda: feed.freshness.complete_as_of > seen_at + BOUND)
    until(lambda: fresh(feed))


def test_several_relays_make_one_stream_and_one_beat(verdict: Told, feed: RedisFeed) -> None:
    for _ in range(4):
        verdict.relay()
    feed.start()
    sequences = [verdict.end(f"client {number}") for number in range(50)]
    until(lambda: feed.revocations.sequence == sequences[-1])
    with verdict.server.client() as client:
        found: Any = client.xrange(stream_of(verdict.store.log.snapshot().log_id))
    entries = [name for name, fields in found if b"e" in fields]
    assert entries == [b"%d-0" % each for each in sequences]
    beats = [name for name, fields in found if b"b" in fields]
    assert len({name.partition(b"-")[0] for name in beats}) == len(beats), "an older beat of a place is left"


def test_a_feed_without_heartbeats_is_not_fresh(verdict: Told, feed: RedisFeed) -> None:
    verdict.end("a")
    relay = Relay(verdict.store.log, read_address(verdict.server.url), 60.0)
    while relay.relay_once():
        pass
    relay.relay_once()
    relay.close()
    feed.start()
    until(lambda: "a" in feed.revocations.clients)
    time.sleep(BOUND)
    assert feed.freshness.complete_as_of == float("-inf"), "nobody has read the log since this reader asked"


def test_a_reconnecting_reader_misses_no_entry(verdict: Told) -> None:
    verdict.relay()
    one = verdict.feed()
    one.start()
    until(lambda: fresh(one))
    missed = [verdict.end(f"client {number}") for number in range(3000)]
    until(lambda: one.revocations.sequence == missed[-1])
    other = verdict.feed()
    other.start()
    until(lambda: other.revocations.sequence == missed[-1] and fresh(other))
    assert other.revocations.clients == one.revocations.clients
    one.close()
    other.close()


def test_an_emptied_redis_is_filled_again(verdict: Told, feed: RedisFeed) -> None:
    verdict.end("a")
    verdict.relay()
    feed.start()
    until(lambda: fresh(feed))
    verdict.server.kill()
    until(lambda: not fresh(feed))
    verdict.end("b")
    for file in verdict.server.folder.rglob("*.aof"):
        file.unlink()
    for file in verdict.server.folder.rglob("*.manifest"):
        file.unlink()
    verdict.server.start()
    until(lambda: feed.revocations.sequence == 2 and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}


def test_a_stream_that_lost_its_end_is_mended_by_any_relay(verdict: Told, feed: RedisFeed) -> None:
    relay = verdict.relay()
    for each in "abc":
        verdict.end(each)
    with verdict.server.client() as client:
        stream = stream_of(verdict.store.log.snapshot().log_id)
        until(lambda: client.exists(stream) and bool(client.xrange(stream, "3-0", "3-0")))
        for name, _ in client.xrange(stream, "2-0"):
            client.xdel(stream, name)
        client.execute_command("XSETID", stream, "1-9")
        relay.wake()
        until(lambda: bool(client.xrange(stream, "3-0", "3-0")))
    feed.start()
    until(lambda: feed.revocations.sequence == 3 and fresh(feed))
    assert set(feed.revocations.clients) == set("abc")


def test_another_log_is_followed_from_its_start_and_known_revocations_are_kept(verdict: Told, feed: RedisFeed) -> None:
    verdict.end("a")
    verdict.relay()
    feed.start()
    until(lambda: fresh(feed))
    memory = verdict.store.log._memory
    with memory.lock:  # no relay may read a log that is half another
        memory.log_id += 1
        memory.entries.clear()
        memory.sequence = 0
    verdict.end("b")
    until(lambda: "b" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}
    assert feed.revocations.sequence == 1


@pytest.mark.parametrize("name", ["1000-0", "1000-7", "9223372036854775807-0", f"{2**64 - 1}-{2**64 - 1}"])
def test_a_stream_with_foreign_entries_ahead_is_recreated(verdict: Told, feed: RedisFeed, name: str) -> None:
    """P4: a heartbeat after the foreign entry would confirm revocations that the reader does not have."""
    verdict.end("a")
    verdict.relay()
    feed.start()
    until(lambda: fresh(feed))
    with verdict.server.client() as client:
        stream = stream_of(verdict.store.log.snapshot().log_id)
        client.xadd(stream, {"e": b'["session","nobody",1,1,2]'}, id=name)
        verdict.end("b")
        until(lambda: bool(client.xrange(stream, "2-0", "2-0")))
    until(lambda: "b" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == {"a", "b"}


def test_an_older_log_without_mark_restored_is_relayed_from_its_start(verdict: Told, feed: RedisFeed) -> None:
    for each in "abc":
        verdict.end(each)
    relay = verdict.relay()
    feed.start()
    until(lambda: fresh(feed) and len(feed.revocations.clients) == 3)
    memory = verdict.store.log._memory
    with memory.lock:  # a backup was put back, and `keyturn db mark-restored` forgotten
        memory.entries.clear()
        memory.sequence = 0
    verdict.end("d")
    relay.wake()
    until(lambda: "d" in feed.revocations.clients and fresh(feed))
    assert set(feed.revocations.clients) == set("abcd")


def test_expired_entries_are_trimmed_from_the_stream(verdict: Told) -> None:
    verdict.end("a", lives=10)
    relay = Relay(verdict.store.log, read_address(verdict.server.url), BOUND / 8)
    while relay.relay_once():
        pass
    verdict.store.sessions.purge(Instant(NOW + 11))
    verdict.end("b")
    relay._trimmed_at = float("-inf")
    while relay.relay_once():
        pass
    with verdict.server.client() as client:
        found: Any = client.xrange(stream_of(verdict.store.log.snapshot().log_id))
    assert [name for name, fields in found if b"e" in fields] == [b"2-0"]
    relay.close()


def test_an_unreadable_entry_makes_the_feed_stale(verdict: Told, feed: RedisFeed) -> None:
    with verdict.server.client() as client:
        client.set(POINTER, 7)
        client.xadd(stream_of(7), {"e": b'["tenant","a",1,1,2]'}, id="1-0")
        client.xadd(stream_of(7), {"b": b"0-0"}, id="1-1")
    feed.start().result(30)
    until(lambda: feed.problem != "")
    assert not fresh(feed)
    assert len(feed.revocations) == 0


def test_a_redis_without_a_relay_is_not_waited_for(verdict: Told, feed: RedisFeed) -> None:
    feed.start().result(30)
    assert not fresh(feed)
    assert "no issuer relays" in feed.problem or "cannot be read" in feed.problem


def test_the_feed_polls_the_issuer_while_redis_fails(verdict: Told) -> None:
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

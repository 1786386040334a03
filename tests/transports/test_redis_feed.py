"""The feed through a real Redis: complete before it counts as fresh, through restarts of relay, reader and Redis."""

import time
from urllib.request import Request

import pytest

from keyturn.errors import ConfigurationError
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.relay import POINTER, Relay, stream_of
from keyturn.transports import RedisFeed
from transports.redis_relay import BOUND, NOW, RedisRelayFixture, fresh, until


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


def test_a_feed_without_heartbeats_is_not_fresh(relaying: RedisRelayFixture, feed: RedisFeed) -> None:
    relaying.end("a")
    relay = Relay(relaying.store.log, read_redis_address(relaying.server.url), 60.0)
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

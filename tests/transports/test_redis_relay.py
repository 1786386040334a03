"""The stream that relays write to Redis: one for all relays, whole again after each loss."""

from typing import Any

import pytest

from keyturn.core.types import Instant
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.relay import PAGE_ENTRIES, POINTER, Relay, stream_of
from keyturn.transports import RedisFeed
from transports.redis_relay import BOUND, NOW, RedisRelayFixture, fresh, until


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
    for number in range(PAGE_ENTRIES + 1):
        relaying.end(f"client {number}")
    relay = Relay(relaying.store.log, read_redis_address(relaying.server.url), BOUND / 8)
    stream = stream_of(relaying.store.log.snapshot().log_id)
    try:
        with relaying.server.client() as client:
            until(lambda: relay.relay_once() and client.xlen(stream) > 0)
            assert [b"b" in fields for _, fields in client.xrange(stream)] == [False] * PAGE_ENTRIES
            until(lambda: not relay.relay_once())
            assert [name for name, fields in client.xrange(stream) if b"b" in fields] == [b"%d-1" % (PAGE_ENTRIES + 1)]
    finally:
        relay.close()


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
    relay = Relay(relaying.store.log, read_redis_address(relaying.server.url), BOUND / 8)
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


def test_a_relay_keeps_the_stream_that_another_wrote_of_a_shorter_log(relaying: RedisRelayFixture) -> None:
    def catch_up(relay: Relay) -> None:
        while relay.relay_once():
            pass
        relay.relay_once()  # takes the lease: no other relay replaces the last heartbeat now

    late, early = (Relay(relaying.store.log, read_redis_address(relaying.server.url), 60.0) for _ in range(2))
    for name in "abc":
        relaying.end(name)
    catch_up(late)
    memory = relaying.store.log._memory
    memory.log_id, memory.sequence = memory.log_id + 1, 0
    memory.entries.clear()
    relaying.end("d")
    catch_up(early)
    with relaying.server.client() as client:
        stream = stream_of(memory.log_id)
        client.xadd(stream, {"b": b"0-0"}, id="1-9")
        catch_up(late)
        assert client.xrange(stream, "1-9", "1-9"), "the stream was deleted and written again"
        assert int(client.get(POINTER)) == memory.log_id
    early.close()
    late.close()

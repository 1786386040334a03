"""The feed as a stream: events are merged in order or not at all, and count as of the issuer's time."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any
from urllib.request import Request

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from verifier.recording_reader import LOG, URL, RecordingReader, event, news, opening


@pytest.fixture
def recording_reader(monotonic: Any) -> RecordingReader:
    return RecordingReader(monotonic)


@pytest.fixture
def feed(recording_reader: RecordingReader, clock: Any, monotonic: Any) -> HttpFeed:
    monotonic.now = 50.0

    def no_service_token(_asked: Request) -> bytes:
        raise Unavailable("polling is not what this test is about")

    return HttpFeed(
        URL,
        "service",
        send=no_service_token,
        stream=recording_reader,
        clock=clock,
        monotonic=monotonic,
        monotonic_raw=monotonic,
        nonce=str,
    )


def revoked_ids(feed: HttpFeed) -> set[str]:
    return {str(number) for number in range(1, 100) if str(number).encode() in feed.revocations.ended}


def test_a_snapshot_then_entries_then_heartbeats(
    recording_reader: RecordingReader, feed: HttpFeed, monotonic: Any
) -> None:
    seen: list[float] = []

    def look() -> None:
        seen.append(feed.freshness.complete_as_of)
        monotonic.now += 1

    recording_reader.streams = [
        [
            opening(),
            look,
            news("snapshot", 0, 1, 2),
            look,
            news("snapshot", 2, 3, stamp=1000.0),
            look,
            news("entries", 3, 4, stamp=1001.0),
            look,
            news("heartbeat", 4, stamp=1002.0),
        ]
    ]
    feed.stream()
    assert seen == [float("-inf"), float("-inf"), 50.0, pytest.approx(50.999)]
    assert feed.freshness.complete_as_of == pytest.approx(51.998)
    assert revoked_ids(feed) == {"1", "2", "3", "4"}
    assert feed.revocations.sequence == 4
    assert recording_reader.requests[0].get_header("Authorization") == "Bearer service"
    assert recording_reader.requests[0].get_header("Last-event-id") is None


def test_a_reconnected_stream_resumes_and_keeps_entries_of_another_log(
    recording_reader: RecordingReader, feed: HttpFeed
) -> None:
    recording_reader.streams = [
        [opening(), news("snapshot", 0, 1, 2, stamp=1000.0)],
        [opening(), news("entries", 2, 3, stamp=1000.0)],
        [opening(), news("snapshot", 0, 1, log=8), news("snapshot", 1, 5, stamp=1000.0, log=8)],
        [opening(), news("heartbeat", 5, stamp=1000.0, log=8)],
    ]
    for _ in range(4):
        feed.stream()
    assert [each.get_header("Last-event-id") for each in recording_reader.requests] == [None, "7.2", "7.3", "8.5"]
    assert revoked_ids(feed) == {"1", "2", "3", "5"}
    assert feed.revocations.sequence == 5


def test_a_mark_is_returned_and_a_restored_log_raises_an_alarm(
    recording_reader: RecordingReader, feed: HttpFeed
) -> None:
    recording_reader.streams = [
        [opening(), news("snapshot", 0, 1, stamp=1000.0, mark="1.2.3.aa")],
        [opening(), news("heartbeat", 1, stamp=1000.0, mark="1.2.4.bb")],
        [opening(), news("snapshot", 0, 1, stamp=1000.0, restored=True)],
        [opening()],
    ]
    feed.stream()
    feed.stream()
    assert feed.problem == ""
    feed.stream()
    assert (feed.restores, "put back from a backup" in feed.problem) == (1, True)
    with pytest.raises(Unavailable):
        feed.stream()
    queries = [each.full_url.partition("&mark=")[2] for each in recording_reader.requests]
    assert queries == ["", "1.2.3.aa", "1.2.4.bb", ""]


def test_an_interrupted_snapshot_is_read_again(recording_reader: RecordingReader, feed: HttpFeed) -> None:
    recording_reader.streams = [
        [opening(), news("snapshot", 0, 1, 2)],
        [opening(), news("snapshot", 0, 1, 2), news("snapshot", 2, 3, stamp=1000.0)],
    ]
    with pytest.raises(Unavailable, match="before the feed was complete"):
        feed.stream()
    assert feed.freshness.complete_as_of == float("-inf")
    feed.stream()
    assert recording_reader.requests[1].get_header("Last-event-id") is None
    assert (revoked_ids(feed), feed.freshness.complete_as_of) == ({"1", "2", "3"}, 50.0)


SEEDED = [opening(), news("snapshot", 0, 1, stamp=1000.0)]


@pytest.mark.parametrize(
    "told_next",
    [
        [news("entries", 0, 1, stamp=1000.0)],
        [opening(), news("entries", 0, 1, stamp=1000.0)],
        [*SEEDED, news("entries", 2, 3, stamp=1001.0)],
        [*SEEDED, news("entries", 1, 3, stamp=1001.0, log=8)],
        [*SEEDED, news("heartbeat", 2, stamp=1001.0)],
        [*SEEDED, news("snapshot", 1, 2, stamp=1001.0)],
        [opening(), news("snapshot", 0, 1), news("snapshot", 2, 3, stamp=1001.0)],
        [opening(), news("snapshot", 0, 1), news("snapshot", 1, 2, stamp=1001.0, log=8)],
        [news("snapshot", 0, 1, stamp=1000.0)],
        [event("opening", process="p", clock="now")],
        [event("opening", clock=1000.0)],
        [*SEEDED, news("heartbeat", 1, stamp=1001.0, process="q")],
        [*SEEDED, b"event: entries\ndata: {\n\n"],
        [*SEEDED, b"event: entries\ndata\n\n"],
        [*SEEDED, news("entries", 1, 2, stamp=1001.0).replace(b'"session"', b'"tenant"')],
    ],
    ids=range(15),
)
def test_an_inconsistent_event_ends_the_stream(
    recording_reader: RecordingReader, feed: HttpFeed, monotonic: Any, told_next: list[bytes]
) -> None:
    recording_reader.streams = [told_next]
    monotonic.now = 50.0
    with pytest.raises(Unavailable):
        feed.stream()
    assert feed.freshness.complete_as_of <= 50.0


def test_a_replayed_stream_does_not_mark_complete(
    recording_reader: RecordingReader, clock: Any, monotonic: Any
) -> None:
    feed = HttpFeed(URL, stream=recording_reader, clock=clock, monotonic=monotonic, monotonic_raw=monotonic)
    recorded = [opening(), news("snapshot", 0, 1, stamp=1000.0)]
    recording_reader.streams = [recorded]
    with pytest.raises(Unavailable, match="a caching proxy"):
        feed.stream()
    assert feed.freshness.complete_as_of == float("-inf")


def test_unknown_events_are_ignored(recording_reader: RecordingReader, feed: HttpFeed) -> None:
    recording_reader.streams = [[b": hello\n\nretry: 1000\nid: 7.1\n", *SEEDED, event("party", when="now")]]
    feed.stream()
    assert revoked_ids(feed) == {"1"}


@pytest.mark.parametrize(
    ("now", "unslewed", "stamp", "seen_at"),
    [
        (50.2, 7.2, 1000.0, 50.0),
        (53.0, 10.0, 1002.0, 51.998),
        (51.0, 10.0, 1002.0, 49.998),  # a time daemon held the other clock back
        (53.0, 10.0, 990.0, 39.98998998998999),  # known before we asked
        (53.0, 10.0, 9000.0, 53.0),  # never from the future
    ],
)
def test_news_is_as_old_as_it_can_be(
    recording_reader: RecordingReader,
    clock: Any,
    make_clock: Any,
    now: float,
    unslewed: float,
    stamp: float,
    seen_at: float,
) -> None:
    monotonic, hardware = make_clock(50.0), make_clock(7.0)

    def later() -> None:
        monotonic.now, hardware.now = now, unslewed

    recording_reader.streams = [[opening(1000.0), later, news("snapshot", 0, 1, stamp=stamp)]]
    feed = HttpFeed(URL, stream=recording_reader, clock=clock, monotonic=monotonic, monotonic_raw=hardware, nonce=str)
    with suppress(Unavailable):  # where it is so old that the stream is given up, too
        feed.stream()
    assert feed.freshness.complete_as_of == pytest.approx(seen_at, abs=1e-9)


def test_a_lagging_stream_is_closed_in_time_for_polling(
    recording_reader: RecordingReader, feed: HttpFeed, monotonic: Any
) -> None:
    def wait() -> None:
        monotonic.now += 1

    recording_reader.streams = [[*SEEDED, *[wait, b": alive\n\n"] * 5]]
    with pytest.raises(Unavailable, match="lags"):
        feed.stream()
    assert monotonic.now - feed.freshness.complete_as_of == 4


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_stream_without_events_is_retried_with_backoff(
    recording_reader: RecordingReader, clock: Any, monotonic: Any
) -> None:
    def send(_asked: Request) -> bytes:
        return json.dumps({"entries": [], "sequence": 0, "log": LOG}).encode()

    feed = HttpFeed(
        URL, send=send, stream=recording_reader, clock=clock, monotonic=monotonic, jitter=lambda: 1.0, nonce=str
    )
    pauses: list[float] = []
    for _ in range(8):
        recording_reader.streams = [[opening()]]
        feed._read(feed._reader, feed._stop, None)
        pauses.append(feed._next_stream_at - monotonic.now)
        monotonic.now = feed._next_stream_at
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_the_feed_polls_while_no_stream_can_be_opened(
    recording_reader: RecordingReader, clock: Any, monotonic: Any
) -> None:
    def send(_asked: Request) -> bytes:
        return json.dumps({"entries": [], "sequence": 0, "log": LOG}).encode()

    feed = HttpFeed(
        URL,
        nonce=str,
        send=send,
        stream=recording_reader,
        clock=clock,
        monotonic=monotonic,
        monotonic_raw=monotonic,
        interval_seconds=0.005,
        jitter=lambda: 0.0,
    )
    feed.start().result(30)
    until(lambda: feed.freshness.complete_as_of == 0.0)
    assert feed.problem.startswith("the revocation feed cannot be streamed")
    assert (feed.freshness.complete_as_of, len(recording_reader.requests)) == (0.0, 1)
    ended = Event()
    recording_reader.streams = [[opening(), news("heartbeat", 0, stamp=999.9), ended.wait, ended.set]]
    monotonic.now = 1.0
    until(lambda: len(recording_reader.requests) == 2)
    until(lambda: feed.freshness.complete_as_of == pytest.approx(1 - 0.1 / 0.999))
    until(lambda: feed.problem == "")
    feed.close()
    ended.set()
    until(lambda: not (feed._thread and feed._thread.is_alive()))


def test_a_caller_waits_for_the_first_complete_event_of_a_stream(
    recording_reader: RecordingReader, clock: Any, monotonic: Any
) -> None:
    gate, rest = Event(), Event()
    recording_reader.streams = [
        [opening(), gate.wait, news("snapshot", 0, 1, stamp=1000.0), b": more\n", rest.wait, b": end\n"]
    ]
    feed = HttpFeed(URL, stream=recording_reader, clock=clock, monotonic=monotonic, nonce=str)
    first = feed.start()
    assert not first.done()
    gate.set()
    first.result(30)
    assert b"1" in feed.revocations.ended
    feed.close()
    rest.set()
    until(lambda: not (feed._thread and feed._thread.is_alive()))


def test_a_feed_without_a_stream_opens_none(clock: Any, monotonic: Any) -> None:
    feed = HttpFeed(URL, stream=None, clock=clock, monotonic=monotonic)
    feed.stream()
    assert feed.freshness.complete_as_of == float("-inf")

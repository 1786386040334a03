"""The feed over HTTP: complete before it is confirmed, merged and never reset, stale whenever in doubt."""

import json
import time
from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.request import Request

import pytest

from keyturn.core.revocation import RevocationKind
from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from verifier.issuer_feed import LINE, NOW, URL, Log


def test_a_snapshot_first_then_what_came_after_it(log: Log, polled: HttpFeed) -> None:
    log.append("a")
    polled.poll()
    assert log.queries == ["", "seed=1"]
    for each in "bcdef":
        log.append(each)
    polled.poll()
    assert log.queries[2:] == ["after=1", "after=3", "after=5", "after=6"]
    assert polled.revocations.ended == {b"a", b"b", b"c", b"d", b"e", b"f"}
    assert polled.revocations.sequence == 6
    assert set(log.tokens) == {"Bearer service"}


def test_every_kind_arrives(log: Log, polled: HttpFeed) -> None:
    log.append("ada", RevocationKind.SUBJECT, 4)
    log.append("web", RevocationKind.CLIENT, NOW)
    log.append("", RevocationKind.EVERYTHING, NOW - 5)
    log.append("sid", RevocationKind.SESSION, 2)
    polled.poll()
    held = polled.revocations
    assert (held.generations, held.clients, held.not_before, held.renewed) == (
        {"ada": 4},
        {"web": NOW},
        NOW - 5,
        {"sid": 2},
    )


def test_freshness_counts_from_when_it_was_asked_not_from_when_the_answer_came(
    log: Log, polled: HttpFeed, monotonic: Any
) -> None:
    monotonic.now = 100.0
    log.travel_seconds = 3.0
    polled.poll()
    assert polled.freshness.complete_as_of == 100.0
    log.append("a")
    polled.poll()
    assert (polled.freshness.complete_as_of, monotonic.now) == (106.0, 109.0)


def test_an_empty_feed_is_fresh_too(polled: HttpFeed, monotonic: Any) -> None:
    assert not polled.freshness.is_fresh(monotonic.now)
    polled.poll()
    assert polled.freshness.is_fresh(monotonic.now)
    assert len(polled.revocations) == 0


def test_nothing_is_confirmed_when_a_poll_fails_in_its_middle(log: Log, polled: HttpFeed, monotonic: Any) -> None:
    polled.poll()
    monotonic.now = 3
    log.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        polled.poll()
    assert polled.freshness.complete_as_of == 0


def test_after_a_gap_the_feed_is_stale_until_a_snapshot_has_filled_it(log: Log, polled: HttpFeed) -> None:
    polled.poll()
    for each in "abcd":
        log.append(each)
    log.entries, log.purged = log.entries[2:], 2
    polled.poll()
    assert log.queries[-2:] == ["", "seed=4"]
    assert polled.revocations.ended == {b"c", b"d"}


def test_another_log_is_taken_from_the_start_though_its_numbers_go_on(log: Log, polled: HttpFeed) -> None:
    log.append("a")
    polled.poll()
    # A failover lost entry 1 and gave its number, and the next, to others.
    log.entries, log.sequence, log.number = [], 0, 8
    log.append("b")
    log.append("c")
    polled.poll()
    assert log.queries[-3:] == ["after=1", "", "seed=2"]
    assert polled.revocations.ended == {b"a", b"b", b"c"}


def test_a_log_that_went_back_in_time_brings_no_revoked_session_back(
    log: Log, polled: HttpFeed, monotonic: Any
) -> None:
    for each in "abc":
        log.append(each)
    polled.poll()
    log.entries, log.sequence = log.entries[:1], 1
    monotonic.now = 2
    polled.poll()
    assert polled.revocations.ended == {b"a", b"b", b"c"}
    assert (polled.revocations.sequence, polled.freshness.complete_as_of) == (1, 2)
    log.append("d")
    polled.poll()
    assert polled.revocations.ended == {b"a", b"b", b"c", b"d"}


def test_entries_are_forgotten_when_no_token_they_stop_is_alive(log: Log, polled: HttpFeed, clock: Any) -> None:
    log.append("a", lives=600)
    polled.poll()
    clock.now = NOW + 599.9
    polled.poll()
    assert b"a" in polled.revocations.ended
    log.entries = []
    clock.now = NOW + 600
    polled.poll()
    assert len(polled.revocations) == 0


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"[]",
        b"{}",
        {"entries": []},
        {"entries": [], "sequence": "1"},
        {"entries": [], "sequence": -1},
        {"entries": [5], "sequence": 1},
        *({"entries": [LINE | {name: wrong}], "sequence": 1} for name in LINE for wrong in (None, [], 1.5, -1)),
        {"entries": [LINE | {"kind": "tenant"}], "sequence": 1},
        {"entries": [LINE | {"value": 2**63}], "sequence": 1},
    ],
    ids=str,
)
def test_a_page_that_cannot_be_read_whole_confirms_nothing(log: Log, polled: HttpFeed, page: Any) -> None:
    log.raw = page if isinstance(page, bytes) else json.dumps(page).encode()
    with pytest.raises(Unavailable):
        polled.poll()
    assert polled.freshness.complete_as_of == float("-inf")
    assert len(polled.revocations) == 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_thread_outlives_failures_says_why_and_stops_when_told(log: Log, clock: Any, monotonic: Any) -> None:
    polled = HttpFeed(lambda: URL, send=log, stream=None, clock=clock, monotonic=monotonic, interval_seconds=0.005)
    log.failure = RuntimeError("boom")
    first = polled.start()
    first.result(30)
    assert polled.start() is first
    assert polled.problem == "the revocation feed cannot be read: RuntimeError"
    log.failure = None
    until(lambda: polled.problem == "")
    assert polled.freshness.complete_as_of == 0
    polled.close()
    until(lambda: not (polled._thread and polled._thread.is_alive()))
    assert polled.start() is first, "closed for good"
    assert not (polled._thread and polled._thread.is_alive())
    assert set(log.tokens) == {None}


def test_a_thread_that_did_not_survive_a_fork_is_started_again(log: Log, polled: HttpFeed) -> None:
    class Dead:
        def is_alive(self) -> bool:
            return False

    polled._thread = Dead()  # type: ignore[assignment]
    polled.start().result(30)
    assert polled.freshness.complete_as_of == 0
    polled.close()


def test_the_first_poll_is_waited_for_by_all_who_come_meanwhile(log: Log, clock: Any, monotonic: Any) -> None:
    gate = Event()

    def slow(asked: Request) -> bytes:
        assert gate.wait(30)
        return log(asked)

    polled = HttpFeed(URL, send=slow, stream=None, clock=clock, monotonic=monotonic)
    first, second = polled.start(), polled.start()
    assert first is second
    assert not first.done()
    gate.set()
    first.result(30)
    assert polled.freshness.complete_as_of == 0
    polled.close()

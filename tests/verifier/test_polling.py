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
from verifier.issuer_feed import LINE, NOW, URL, IssuerFeed


def test_the_first_poll_is_a_snapshot_and_later_polls_are_increments(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed
) -> None:
    issuer_feed.append("a")
    polled_feed.poll()
    assert issuer_feed.queries == ["", "seed=1"]
    for each in "bcdef":
        issuer_feed.append(each)
    polled_feed.poll()
    assert issuer_feed.queries[2:] == ["after=1", "after=3", "after=5", "after=6"]
    assert polled_feed.revocations.ended == {b"a", b"b", b"c", b"d", b"e", b"f"}
    assert polled_feed.revocations.sequence == 6
    assert set(issuer_feed.tokens) == {"Bearer service"}


def test_every_kind_arrives(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    issuer_feed.append("ada", RevocationKind.SUBJECT, 4)
    issuer_feed.append("web", RevocationKind.CLIENT, NOW)
    issuer_feed.append("", RevocationKind.EVERYTHING, NOW - 5)
    issuer_feed.append("sid", RevocationKind.SESSION, 2)
    polled_feed.poll()
    revoked_ids = polled_feed.revocations
    assert (revoked_ids.generations, revoked_ids.clients, revoked_ids.not_before, revoked_ids.renewed) == (
        {"ada": 4},
        {"web": NOW},
        NOW - 5,
        {"sid": 2},
    )


def test_freshness_counts_from_when_it_was_asked_not_from_when_the_answer_came(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monotonic: Any
) -> None:
    monotonic.now = 100.0
    issuer_feed.travel_seconds = 3.0
    polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == 100.0
    issuer_feed.append("a")
    polled_feed.poll()
    assert (polled_feed.freshness.complete_as_of, monotonic.now) == (106.0, 109.0)


def test_an_empty_feed_is_fresh_too(polled_feed: HttpFeed, monotonic: Any) -> None:
    assert not polled_feed.freshness.is_fresh(monotonic.now)
    polled_feed.poll()
    assert polled_feed.freshness.is_fresh(monotonic.now)
    assert len(polled_feed.revocations) == 0


def test_a_poll_that_fails_midway_does_not_mark_complete(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monotonic: Any
) -> None:
    polled_feed.poll()
    monotonic.now = 3
    issuer_feed.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == 0


def test_after_a_gap_the_feed_is_stale_until_a_snapshot_has_filled_it(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed
) -> None:
    polled_feed.poll()
    for each in "abcd":
        issuer_feed.append(each)
    issuer_feed.entries, issuer_feed.purged = issuer_feed.entries[2:], 2
    polled_feed.poll()
    assert issuer_feed.queries[-2:] == ["", "seed=4"]
    assert polled_feed.revocations.ended == {b"c", b"d"}


def test_another_log_is_read_from_its_start_though_sequences_continue(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed
) -> None:
    issuer_feed.append("a")
    polled_feed.poll()
    # A failover lost entry 1 and gave its number, and the next, to others.
    issuer_feed.entries, issuer_feed.sequence, issuer_feed.number = [], 0, 8
    issuer_feed.append("b")
    issuer_feed.append("c")
    polled_feed.poll()
    assert issuer_feed.queries[-3:] == ["after=1", "", "seed=2"]
    assert polled_feed.revocations.ended == {b"a", b"b", b"c"}


def test_an_older_log_does_not_unrevoke_a_session(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monotonic: Any
) -> None:
    for each in "abc":
        issuer_feed.append(each)
    polled_feed.poll()
    issuer_feed.entries, issuer_feed.sequence = issuer_feed.entries[:1], 1
    monotonic.now = 2
    polled_feed.poll()
    assert polled_feed.revocations.ended == {b"a", b"b", b"c"}
    assert (polled_feed.revocations.sequence, polled_feed.freshness.complete_as_of) == (1, 2)
    issuer_feed.append("d")
    polled_feed.poll()
    assert polled_feed.revocations.ended == {b"a", b"b", b"c", b"d"}


def test_a_log_behind_the_reader_raises_an_alarm_until_everything_is_revoked(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, caplog: pytest.LogCaptureFixture
) -> None:
    for each in "abc":
        issuer_feed.append(each)
    polled_feed.poll()
    assert (polled_feed.problem, polled_feed.restores) == ("", 0)
    issuer_feed.entries, issuer_feed.sequence = issuer_feed.entries[:1], 1
    polled_feed.poll()
    assert ("put back from a backup" in polled_feed.problem, polled_feed.restores) == (True, 1)
    assert "put back from a backup" in caplog.text
    polled_feed.poll()
    assert polled_feed.restores == 1
    issuer_feed.append("", RevocationKind.EVERYTHING, NOW)
    polled_feed.poll()
    assert polled_feed.problem == ""


def test_a_log_that_has_grown_again_is_read_from_its_start(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    issuer_feed.append("lost")
    issuer_feed.mark = "1.2.3.aa"
    polled_feed.poll()
    issuer_feed.entries, issuer_feed.sequence, issuer_feed.mark = [], 0, "1.2.4.bb"
    issuer_feed.append("new")
    polled_feed.poll()
    assert issuer_feed.queries[-3:] == ["after=1&mark=1.2.3.aa", "", "seed=1&mark=1.2.4.bb"]
    assert polled_feed.revocations.ended == {b"lost", b"new"}
    assert (bool(polled_feed.problem), polled_feed.restores) == (True, 1)


def test_another_log_id_ends_the_alarm(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    issuer_feed.append("lost")
    polled_feed.poll()
    issuer_feed.entries, issuer_feed.sequence = [], 0
    polled_feed.poll()
    assert polled_feed.problem
    issuer_feed.number = 8
    polled_feed.poll()
    assert (polled_feed.problem, polled_feed.restores) == ("", 1)


def test_a_gap_by_a_purge_raises_no_alarm(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    issuer_feed.append("a")
    polled_feed.poll()
    for each in "bc":
        issuer_feed.append(each)
    issuer_feed.entries, issuer_feed.purged = issuer_feed.entries[2:], 2
    polled_feed.poll()
    assert (polled_feed.problem, polled_feed.restores) == ("", 0)


def test_entries_are_forgotten_when_no_token_they_stop_is_alive(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, clock: Any, monotonic: Any
) -> None:
    issuer_feed.append("a", lives=600)
    polled_feed.poll()
    clock.now, monotonic.now = NOW + 659.9, 659.9  # a minute more, for clocks that differ
    polled_feed.poll()
    assert b"a" in polled_feed.revocations.ended
    issuer_feed.entries = []
    clock.now, monotonic.now = NOW + 660, 660
    polled_feed.poll()
    assert len(polled_feed.revocations) == 0


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
def test_an_unreadable_page_does_not_mark_complete(issuer_feed: IssuerFeed, polled_feed: HttpFeed, page: Any) -> None:
    issuer_feed.raw = page if isinstance(page, bytes) else json.dumps(page).encode()
    with pytest.raises(Unavailable):
        polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == float("-inf")
    assert len(polled_feed.revocations) == 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_feed_thread_survives_failures_logs_them_and_stops(
    issuer_feed: IssuerFeed, clock: Any, monotonic: Any
) -> None:
    polled_feed = HttpFeed(
        lambda: URL, send=issuer_feed, stream=None, clock=clock, monotonic=monotonic, interval_seconds=0.005
    )
    issuer_feed.failure = RuntimeError("boom")
    first = polled_feed.start()
    first.result(30)
    assert polled_feed.start() is first
    assert polled_feed.problem == "the revocation feed cannot be read: RuntimeError"
    issuer_feed.failure = None
    until(lambda: polled_feed.problem == "")
    assert polled_feed.freshness.complete_as_of == 0
    polled_feed.close()
    until(lambda: not (polled_feed._thread and polled_feed._thread.is_alive()))
    assert polled_feed.start() is first, "closed for good"
    assert not (polled_feed._thread and polled_feed._thread.is_alive())
    assert set(issuer_feed.tokens) == {None}


def test_the_feed_thread_is_restarted_after_a_fork(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    class Dead:
        def is_alive(self) -> bool:
            return False

    polled_feed._thread = Dead()  # type: ignore[assignment]
    polled_feed.start().result(30)
    assert polled_feed.freshness.complete_as_of == 0
    polled_feed.close()


def test_concurrent_callers_wait_for_the_first_poll(issuer_feed: IssuerFeed, clock: Any, monotonic: Any) -> None:
    gate = Event()

    def slow(asked: Request) -> bytes:
        assert gate.wait(30)
        return issuer_feed(asked)

    polled_feed = HttpFeed(URL, send=slow, stream=None, clock=clock, monotonic=monotonic)
    first, second = polled_feed.start(), polled_feed.start()
    assert first is second
    assert not first.done()
    gate.set()
    first.result(30)
    assert polled_feed.freshness.complete_as_of == 0
    polled_feed.close()

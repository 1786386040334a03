"""A feed over HTTP that leads nowhere, or has no end, or answers somebody else: left, with nothing confirmed."""

import json
from typing import Any

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from verifier.issuer_feed import LINE, Log


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"entries": [LINE], "sequence": 1}, "same sequence number"),
        ({"entries": [LINE], "sequence": 1, "complete": False}, "still has a gap"),
        ({"entries": [LINE | {"sequence": 10**18}], "sequence": 10**18}, "<= 9"),
        ({"entries": [LINE | {"sequence": 2}], "sequence": 1}, "exceeds the page"),
    ],
    ids=str,
)
def test_a_feed_that_leads_nowhere_confirms_nothing_and_is_left(
    log: Log, polled: HttpFeed, page: dict[str, Any], why: str
) -> None:
    log.raw = json.dumps(page).encode()
    with pytest.raises(Unavailable, match=why):
        polled.poll()
    assert polled.freshness.complete_as_of == float("-inf")
    assert len(log.queries) <= 3
    log.raw = None
    log.append("a")
    polled.poll()
    assert (polled.revocations.sequence, b"a" in polled.revocations.ended) == (1, True), "it has recovered"


def test_an_answer_to_another_question_is_not_news(log: Log, polled: HttpFeed, monotonic: Any) -> None:
    polled.poll()
    monotonic.now = 3
    log.raw = b'{"entries": [], "sequence": 0, "log": 7}'
    polled.poll()
    assert polled.freshness.complete_as_of == 3
    kept = json.dumps({"entries": [], "sequence": 0, "log": 7, "nonce": log.nonce}).encode()
    polled._send = lambda _: kept
    monotonic.now = 6
    with pytest.raises(Unavailable, match="a caching proxy"):
        polled.poll()
    assert polled.freshness.complete_as_of == 3


def test_a_feed_without_end_is_left(log: Log, polled: HttpFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.verifier.polling._MAX_PAGES", 3)
    for each in "abcdefghi":
        log.append(each)
    with pytest.raises(Unavailable, match="did not end"):
        polled.poll()
    assert polled.freshness.complete_as_of == float("-inf")


def test_a_feed_that_is_closed_asks_no_more(log: Log, polled: HttpFeed) -> None:
    polled.close()
    polled.poll()
    assert (log.queries, polled.freshness.complete_as_of) == ([], float("-inf"))
    polled.start().result(30)

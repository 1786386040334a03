"""Inconsistent, endless and replayed feeds over HTTP are abandoned without ``mark_complete``."""

import json
from typing import Any

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from verifier.issuer_feed import LINE, IssuerFeed


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
def test_an_inconsistent_feed_is_abandoned_without_mark_complete(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, page: dict[str, Any], why: str
) -> None:
    issuer_feed.raw = json.dumps(page).encode()
    with pytest.raises(Unavailable, match=why):
        polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == float("-inf")
    assert len(issuer_feed.queries) <= 3
    issuer_feed.raw = None
    issuer_feed.append("a")
    polled_feed.poll()
    assert (polled_feed.revocations.sequence, b"a" in polled_feed.revocations.ended) == (1, True), "it has recovered"


def test_an_answer_to_another_question_is_not_news(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monotonic: Any
) -> None:
    polled_feed.poll()
    monotonic.now = 3
    issuer_feed.raw = b'{"entries": [], "sequence": 0, "log": 7}'
    polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == 3
    kept = json.dumps({"entries": [], "sequence": 0, "log": 7, "nonce": issuer_feed.nonce}).encode()
    polled_feed._send = lambda _: kept
    monotonic.now = 6
    with pytest.raises(Unavailable, match="a caching proxy"):
        polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == 3


def test_an_endless_feed_is_abandoned(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.verifier.polling._MAX_PAGES", 3)
    for each in "abcdefghi":
        issuer_feed.append(each)
    with pytest.raises(Unavailable, match="did not end"):
        polled_feed.poll()
    assert polled_feed.freshness.complete_as_of == float("-inf")


def test_a_feed_that_is_closed_asks_no_more(issuer_feed: IssuerFeed, polled_feed: HttpFeed) -> None:
    polled_feed.close()
    polled_feed.poll()
    assert (issuer_feed.queries, polled_feed.freshness.complete_as_of) == ([], float("-inf"))
    polled_feed.start().result(30)

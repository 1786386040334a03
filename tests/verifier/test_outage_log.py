"""An outage is logged once at its start and once at its end, and is in the metrics meanwhile."""

import logging

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from keyturn.verifier.outage_log import OutageLog

PAGE = b'{"entries": [], "sequence": 4, "complete": true, "log": 7}'
URL = "https://auth.example.com/f"


def test_an_outage_is_logged_once_at_its_start_and_once_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    trouble = OutageLog("the keys cannot be fetched")
    for _ in range(3):
        trouble.failed(Unavailable("the issuer answered 500"))
    assert trouble.message == "the keys cannot be fetched: the issuer answered 500"
    trouble.recovered()
    trouble.recovered()
    assert trouble.message == ""
    assert [each.getMessage() for each in caplog.records] == [
        "the keys cannot be fetched: the issuer answered 500",
        "recovered: the keys cannot be fetched",
    ]
    assert {each.levelno for each in caplog.records} == {logging.WARNING}


def test_the_text_of_an_error_that_is_not_ours_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    OutageLog("it failed").failed(OSError("Bearer secret"))
    assert caplog.records[0].getMessage() == "it failed: OSError"


def test_a_feed_reports_a_failed_stream_as_its_problem() -> None:
    def unreachable_issuer(*_: object) -> None:
        raise Unavailable("it was answered with 404")

    feed = HttpFeed(URL, send=lambda _: PAGE, stream=unreachable_issuer, interval_seconds=0.01, nonce=str)
    assert feed.problem == ""
    feed.start().result(30)
    feed.close()
    assert feed.problem == "the revocation feed cannot be streamed and is polled instead: it was answered with 404"

"""What comes over the wire where a stream is expected: another document, a line without an end, one byte at a time."""

import time
from typing import Any
from urllib.request import Request

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from keyturn.verifier.fetch import FEED_BYTES
from keyturn.verifier.streaming import listen

DRIPS = 500


def test_only_a_stream_is_read_as_one(site: Any) -> None:
    site.answers["/json"] = {"entries": []}
    with pytest.raises(Unavailable, match="not with a stream"), listen(Request(site.url + "/json"), 5):
        pass
    with pytest.raises(Unavailable, match="Disconnected"), listen(Request(site.url + "/nowhere"), 0.2):
        pass


def test_a_line_without_an_end_is_not_read_to_its_end(site: Any) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b"data: " + b"x" * (FEED_BYTES + 1))
        handler.close_connection = True

    site.answers["/endless"] = endless
    with (
        pytest.raises(Unavailable, match="a line of more"),
        listen(Request(site.url + "/endless"), 5) as lines,
    ):
        list(lines)


def test_lines_come_whole_however_they_are_cut(site: Any) -> None:
    def cut(handler: Any) -> None:
        _begin(handler)
        for piece in (b"event: op", b"ening\r\nda", b"ta: {}\n", b"\n\nrest"):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.01)
        handler.close_connection = True

    site.answers["/cut"] = cut
    with listen(Request(site.url + "/cut"), 5) as lines:
        assert [line for line in lines if line] == [b"event: opening\r\n", b"data: {}\n", b"\n", b"\n"]


def test_an_issuer_that_drips_a_line_is_found_to_lag(site: Any) -> None:
    dripped: list[bytes] = []

    def drip(handler: Any) -> None:
        _begin(handler)
        handler.close_connection = True
        for _ in range(DRIPS):
            handler.wfile.write(b"x")  # fails once nobody reads
            dripped.append(b"x")
            time.sleep(0.02)

    site.answers["/drip"] = drip
    feed = HttpFeed(site.url + "/drip", staleness_seconds=0.4)
    with pytest.raises(Unavailable, match="lags"):
        feed.stream()
    assert len(dripped) < DRIPS, "it was waited for"


def _begin(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()

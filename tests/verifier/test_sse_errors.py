"""Invalid replies instead of a stream: another document, an endless line, one byte at a time."""

import time
from contextlib import suppress
from threading import Event
from typing import Any
from urllib.request import Request

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier import HttpFeed
from keyturn.verifier.fetch import FEED_BYTES
from keyturn.verifier.sse import _events, listen


def test_only_a_stream_is_read_as_one(site: Any) -> None:
    site.answers["/json"] = {"entries": []}
    with pytest.raises(Unavailable, match="expected 'text/event-stream'"), listen(Request(site.url + "/json"), 30):
        pass
    with pytest.raises(Unavailable, match="Disconnected"), listen(Request(site.url + "/nowhere"), 30):
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
        pytest.raises(Unavailable, match="an event of more"),
        listen(Request(site.url + "/endless"), 30) as chunks,
    ):
        list(_events(chunks))


@pytest.mark.timeout(60)
def test_an_issuer_that_drips_a_line_is_found_to_lag(site: Any) -> None:
    dripped, left = list[bytes](), Event()

    def drip(handler: Any) -> None:
        _begin(handler)
        handler.close_connection = True
        with suppress(OSError):
            while True:  # until the connection is closed
                handler.wfile.write(b"x")
                dripped.append(b"x")
                time.sleep(0.005)
        left.set()

    site.answers["/drip"] = drip
    # On a clock of its own, which goes a second a drip: no real silence is as long as this bound.
    feed = HttpFeed(site.url + "/drip", staleness_seconds=60, monotonic=lambda: len(dripped))
    with pytest.raises(Unavailable, match="lags"):
        feed.stream()
    assert left.wait(30), "the connection was left open"


def _begin(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()

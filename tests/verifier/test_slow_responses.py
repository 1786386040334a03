"""An issuer, or a proxy before it, that sends one byte at a time anywhere in its reply is abandoned.

It drips until the connection is closed: a reader without a deadline of its own would read for ever.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
from threading import Thread

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier.deadline import Deadline
from keyturn.verifier.fetch import fetch, request
from keyturn.verifier.sse import listen

DRIP_SECONDS = 0.02
LEFT_SECONDS = 30

pytestmark = pytest.mark.timeout(2 * LEFT_SECONDS)

Drip = Callable[[bytes, bytes], str]
"""Return a function that serves a first part at once and a second part byte by byte, and returns the URL."""


def _serve(listener: socket.socket, head: bytes, drops: bytes) -> None:
    with suppress(OSError):
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(head)
            for each in cycle(drops):
                peer.sendall(bytes([each]))
                time.sleep(DRIP_SECONDS)


@pytest.fixture
def drip() -> Iterator[Drip]:
    listener, threads = socket.create_server(("127.0.0.1", 0)), list[Thread]()

    def begin(head: bytes, drops: bytes) -> str:
        threads.append(Thread(target=_serve, args=(listener, head, drops), daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield begin
    for each in threads:
        each.join(LEFT_SECONDS)
        assert not each.is_alive(), "the connection was left open"
    listener.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "drops"),
    [
        (b"", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: and more"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED, b"5;ext=ension"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"0\r\n", b"trailer: more"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    ],
    ids=["status", "header", "headers", "continue", "extension", "chunks", "trailers", "body"],
)
def test_an_answer_is_waited_for_no_longer_than_it_may_take(drip: Drip, head: bytes, drops: bytes) -> None:
    with pytest.raises(Unavailable, match="TimeoutError"):
        fetch(request(drip(head, drops)), seconds=0.2)


def test_a_passed_deadline_raises_timeout_error() -> None:
    deadline = Deadline(0.0)
    with pytest.raises(TimeoutError):
        deadline.remaining_seconds()


@pytest.mark.parametrize(("head", "drops"), [(CHUNKED, b"0"), (CHUNKED + b"1\r\nx\r\n", b"5;ext=ension")])
def test_a_stream_is_waited_for_no_longer_than_its_longest_silence(drip: Drip, head: bytes, drops: bytes) -> None:
    with (
        pytest.raises(Unavailable, match="TimeoutError"),
        listen(request(drip(head, drops)), 0.2) as lines,
    ):
        list(lines)

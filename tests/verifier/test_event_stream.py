"""Event streams are parsed as WHATWG HTML section 9.2.6 says, however the network cuts them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import Unavailable
from keyturn.verifier.event_stream import EventParser
from keyturn.verifier.fetch import FEED_BYTES


def parse(*chunks: bytes) -> list[tuple[str, bytes]]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"event: a\ndata: 1\n\n", [("a", b"1")]),
        (b"event:a\ndata:1\n\n", [("a", b"1")]),
        (b"event:  a\ndata:  1\n\n", [(" a", b" 1")]),
        (b"event: a\r\ndata: 1\r\n\r\n", [("a", b"1")]),
        (b"event: a\rdata: 1\r\r", [("a", b"1")]),
        (b"event: a\ndata: 1\r\n\rdata: 2\r\n\n", [("a", b"1"), ("", b"2")]),
        (b"data: 1\ndata: 2\ndata\n\n", [("", b"1\n2\n")]),
        (b"data\n\n", [("", b"")]),
        (b"event: a\n\ndata: 1\n\n", [("", b"1")]),
        (b"event: a\nevent: b\ndata: 1\n\n", [("b", b"1")]),
        (b": a comment\n:\nid: 7.1\nretry: 5\nother: x\ncolonless\ndata: 1\n\n", [("", b"1")]),
        (b"data: a: b\n\n", [("", b"a: b")]),
        (b"\xef\xbb\xbfevent: a\ndata: 1\n\n", [("a", b"1")]),
        (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [("", b"1")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\n", []),
        (b" data: 1\nDATA: 1\n\n", []),
        (b"\n\n\r\r\n", []),
        (b"data: 1\n", []),
    ],
    ids=repr,
)
def test_an_event_stream_is_parsed_as_the_standard_says(stream: bytes, events: list[tuple[str, bytes]]) -> None:
    assert parse(stream) == events
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == events


PIECES = st.sampled_from([b"event", b"data", b": ", b":", b"\r", b"\n", b"\r\n", b"x", b"\xef\xbb\xbf", b" "])


@given(pieces=st.lists(PIECES, max_size=30), cuts=st.lists(st.integers(0, 80), max_size=6))
def test_an_event_does_not_depend_on_how_the_stream_was_cut(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    edges = [0, *sorted(cuts), len(stream)]
    assert parse(*(stream[start:end] for start, end in pairwise(edges))) == parse(stream)


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: " + b"x" * 1000 + b"\n", b"data\n" * 1000], ids=len)
def test_an_event_without_an_end_does_not_fill_the_memory(piece: bytes) -> None:
    with pytest.raises(Unavailable, match="an event of more"):
        parse(*[piece * 100] * (6 * FEED_BYTES // (100 * len(piece))))


def test_a_long_line_in_many_pieces_takes_linear_time() -> None:
    """Quadratic, it would take minutes, beyond the limit of a test (CWE-407)."""
    line = b"data: " + b"x" * 1_000_000
    pieces = [line[at : at + 16] for at in range(0, len(line), 16)]
    assert parse(*pieces, b"\n\n") == [("", line.removeprefix(b"data: "))]


def test_the_size_of_an_event_counts_from_its_beginning() -> None:
    parser = EventParser()
    event = b"data: " + b"x" * (FEED_BYTES // 2) + b"\n\n"
    assert [len(data) for _ in range(3) for _, data in parser.feed(event)] == [FEED_BYTES // 2] * 3

"""Base64url and JSON objects: one spelling each, one typed refusal."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import TokenMalformed
from keyturn.tokens import decode_base64url, decode_object, encode_base64url


@given(st.binary(max_size=200))
def test_base64url_round_trips_and_agrees_with_the_standard_library(octets: bytes) -> None:
    encoded = encode_base64url(octets)
    assert encoded == base64.urlsafe_b64encode(octets).rstrip(b"=")
    assert decode_base64url(encoded) == octets


@given(st.binary(max_size=12))
def test_whatever_decodes_is_the_canonical_spelling(segment: bytes) -> None:
    try:
        octets = decode_base64url(segment)
    except TokenMalformed:
        return
    assert encode_base64url(octets) == segment


@pytest.mark.parametrize(
    "segment", [b"QQ==", b"QR", b"QUJ", b"A", b"AAAAA", b"QQ\n", b" QQ", b"+/+/", b'Q"', b"\\u0041AA"]
)
def test_other_spellings_are_malformed(segment: bytes) -> None:
    with pytest.raises(TokenMalformed):
        decode_base64url(segment)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none() | st.floats(allow_nan=False)))
def test_objects_are_read_as_the_standard_library_reads_them(members: dict[str, object]) -> None:
    document = json.dumps(members)
    if "Infinity" in document or "\\ud" in document:
        return
    assert decode_object(document.encode()) == members


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"a":1}{}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x01"}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_a_document_that_is_not_a_strict_object_is_malformed(document: bytes) -> None:
    with pytest.raises(TokenMalformed):
        decode_object(document)


@pytest.mark.parametrize(
    "document",
    [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":2}}', b'{"a":[{"b":1,"b":2}]}', b'{ "a": 1, "a": 2 }'],
)
def test_a_repeated_member_is_malformed_at_any_depth(document: bytes) -> None:
    with pytest.raises(TokenMalformed, match="repeated"):
        decode_object(document)


def test_spacing_does_not_matter() -> None:
    assert decode_object(b' {\n"a" : [1, {"b": 2}] }\r\n') == {"a": [1, {"b": 2}]}


def test_size_is_judged_before_decoding() -> None:
    with pytest.raises(TokenMalformed, match="at most 10"):
        decode_object(b"\xff" * 11, max_bytes=10)
    assert decode_object(b'{"a":1234}', max_bytes=10) == {"a": 1234}


def test_depth_is_capped_and_brackets_in_text_do_not_count() -> None:
    assert decode_object(b'{"a":[[1]]}', max_depth=3) == {"a": [[1]]}
    with pytest.raises(TokenMalformed, match="deeper"):
        decode_object(b'{"a":[[{}]]}', max_depth=3)
    flat = json.dumps({"text": "[[[[[[{{{{{{", "list": [1, 2], "object": {"a": 1}}).encode()
    assert decode_object(flat, max_depth=3)["text"] == "[[[[[[{{{{{{"


def test_depth_beyond_the_parser_is_malformed() -> None:
    with pytest.raises(TokenMalformed):
        decode_object(b'{"a":' + b"[" * 100_000, max_bytes=200_000)

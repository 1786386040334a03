"""Base64url in text: one spelling for every value."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.base64url import encode_base64url, try_decode_base64url


@given(st.binary(max_size=70))
def test_every_value_has_the_spelling_of_the_standard_library_without_padding(octets: bytes) -> None:
    assert encode_base64url(octets) == base64.urlsafe_b64encode(octets).rstrip(b"=")
    assert try_decode_base64url(encode_base64url(octets).decode()) == octets


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AA==", "A A", "AA\n", "+-__", "a/", "é", "\ud800", "AAA*A"])
def test_another_spelling_is_refused(text: str) -> None:
    assert try_decode_base64url(text) is None

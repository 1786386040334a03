import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.session_id import (
    PARTITIONS,
    SESSION_ID_BYTES,
    decode_session_id,
    encode_session_id,
    new_session_id,
    partition_of,
)
from keyturn.core.types import Subject

handles = st.binary(min_size=SESSION_ID_BYTES, max_size=SESSION_ID_BYTES)
subjects = st.text(st.characters(exclude_categories=["Cs"]))


@given(subjects, handles)
def test_a_session_id_begins_with_the_place_of_its_subject(subject: str, handle: bytes) -> None:
    read = decode_session_id(new_session_id(Subject(subject), handle))
    assert read == bytes((partition_of(Subject(subject)),)) + handle[1:]


def test_subjects_are_spread_over_every_place() -> None:
    assert {partition_of(Subject(secrets.token_urlsafe())) for _ in range(20_000)} == set(range(PARTITIONS))


@given(handles)
def test_a_handle_has_one_spelling(handle: bytes) -> None:
    text = encode_session_id(handle)
    assert decode_session_id(text) == handle
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    near = [text[:-1] + each for each in last if each != text[-1]]
    assert sum(decode_session_id(each) is not None for each in near) == 3


@pytest.mark.parametrize(
    "sid", ["", "a" * 22, "A" * 21, "A" * 23, "A" * 22 + "==", "A" * 10 + "+" * 12, " " + "A" * 22, "é" * 22, "\ud800"]
)
def test_a_malformed_session_id_decodes_to_none(sid: str) -> None:
    assert decode_session_id(sid) is None

"""Bodies and queries, strictly."""

import contextlib
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import BadRequest, InvalidMember, PayloadTooLarge, UnsupportedMediaType
from keyturn.web.limits import MAX_BODY_BYTES
from keyturn.web.message import Request
from keyturn.web.parse import MAX_FIELDS, read_form, read_json, read_query


class Shape(msgspec.Struct, frozen=True):
    email: str
    deliver: Literal["cookie", "tokens"] | None = None


def json_request(body: bytes, *kinds: bytes) -> Request:
    kinds = kinds or (b"application/json",)
    return Request("POST", "/", headers=[(b"content-type", kind) for kind in kinds], body=body)


def form_request(body: bytes) -> Request:
    return Request("POST", "/", headers=[(b"content-type", b"application/x-www-form-urlencoded")], body=body)


def test_a_json_body_is_read() -> None:
    assert read_json(json_request(b' {"email": "\\ud83d\\ude00", "more": [1]} '), Shape) == Shape("\U0001f600")


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8" ',
        b"application/json;charset=utf8",
        b"application/json; charset=utf-8;",
        b"application/json; version=1",
        b"application/json ;  Charset=UTF-8  ; ;",
        b"\tapplication/json ",
    ],
)
def test_the_media_type_is_json_in_utf_8(kind: bytes) -> None:
    assert read_json(json_request(b'{"email":"a"}', kind), Shape) == Shape("a")


@pytest.mark.parametrize(
    "kinds",
    [
        (b"text/plain",),
        (b"application/jsonp",),
        (b"application/json; charset=latin-1",),
        (b"application/json; charset=utf-8; charset=latin-1",),
        (b'application/json; charset="utf-8',),
        (b"application/json; charset",),
        (b"application/json; =x",),
        (b"application/json; charset=utf-16",),
        (b"application/json;" + b" ; " * 2000 + b"x",),
        (b"text/plain; application/json",),
        (b"application/json, text/plain",),
        (b"application/x-www-form-urlencoded",),
        (b"application/json", b"application/json"),
    ],
)
def test_another_media_type_is_refused(kinds: tuple[bytes, ...]) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(json_request(b'{"email":"a"}', *kinds), Shape)


def test_a_body_without_a_media_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(Request("POST", "/", body=b'{"email":"a"}'), Shape)


def test_a_compressed_body_is_refused() -> None:
    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    with pytest.raises(UnsupportedMediaType):
        read_json(Request("POST", "/", headers=headers, body=b'{"email":"a"}'), Shape)


def test_a_body_over_the_cap_is_refused_unread() -> None:
    with pytest.raises(PayloadTooLarge):
        read_json(json_request(b" " * (MAX_BODY_BYTES + 1)), Shape)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"email":"a"} x',
        b'\xef\xbb\xbf{"email":"a"}',
        b'{"email":"\xff"}',
        b'{"email":"a","x":"\xff"}',
        b'{"email":"\\ud800"}',
        b'{"email":"a","x":NaN}',
        b'{"email":"a","x":' + b"1" * 9000 + b"}",
        b'{"email":"a","email":"b"}',
        b'{"email":"a","x":{"y":1,"y":2}}',
        b'{"email":"a","x":' + b"[" * 15_000 + b"}",
        b'{"email":"a","x":' + b"[" * 7000 + b"]" * 7000 + b"}",
        b'{"email":"a","x":' + b"[" * 32 + b"]" * 32 + b"}",
        '{"email":"a"}'.encode("utf-16"),
    ],
    ids=range(15),
)
def test_a_body_that_is_not_strict_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_json(json_request(body), Shape)
    assert type(caught.value) is BadRequest


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b"{}", "email"),
        (b'{"email":1}', "email"),
        (b'{"email":null}', "email"),
        (b'{"email":["a"]}', "email"),
        (b'{"email":"a","deliver":"pigeon"}', "deliver"),
        (b"[]", "body"),
        (b'"email"', "body"),
        (b"null", "body"),
    ],
)
def test_a_wrong_member_is_named_and_not_repeated(body: bytes, member: str) -> None:
    with pytest.raises(InvalidMember) as caught:
        read_json(json_request(body), Shape)
    assert caught.value.member == member
    assert "pigeon" not in str(caught.value)


def test_a_form_is_read() -> None:
    assert read_form(form_request(b"email=%61+%C3%A9&deliver=cookie&more=1"), Shape) == Shape("a é", "cookie")


def test_an_empty_parameter_is_an_omitted_one() -> None:
    assert read_form(form_request(b"email=a&deliver=&"), Shape) == Shape("a")
    with pytest.raises(InvalidMember):
        read_form(form_request(b"email="), Shape)


class Names(msgspec.Struct, frozen=True):
    email: str
    name: tuple[str, ...] | None = None


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"email=a", None),
        (b"email=a&name=", None),
        (b"email=a&name=x", ("x",)),
        (b"name=x&email=a&name=&name=y&name=x", ("x", "y", "x")),
    ],
)
def test_a_repeatable_parameter_is_a_list(body: bytes, names: tuple[str, ...] | None) -> None:
    assert read_form(form_request(body), Names, repeatable=("name",)) == Names("a", names)


def test_only_a_repeatable_parameter_may_be_repeated() -> None:
    for body, repeatable in ((b"email=a&name=x&name=y", ()), (b"email=a&name=x&email=b", ("name",))):
        with pytest.raises(BadRequest, match="repeated"):
            read_form(form_request(body), Names, repeatable=repeatable)


def test_a_form_is_not_json() -> None:
    with pytest.raises(UnsupportedMediaType):
        read_form(json_request(b"email=a"), Shape)


@pytest.mark.parametrize(
    "body",
    [
        b"email=a&email=b",
        b"email=a&email=",
        b"email=%zz",
        b"email=%",
        b"email=%ff",
        b"email=\xc3\xa9",
        b"email=a b",
        b"email=a\n",
        b"email=a&" + b"&".join(b"f%d=1" % n for n in range(MAX_FIELDS)),
    ],
)
def test_a_body_that_is_not_a_strict_form_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_form(form_request(body), Shape)
    assert type(caught.value) is BadRequest


def test_a_query_is_read_like_a_form() -> None:
    assert read_query(Request("GET", "/", "email=a"), Shape) == Shape("a")
    with pytest.raises(InvalidMember):
        read_query(Request("GET", "/", ""), Shape)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for request, read in ((json_request(body), read_json), (form_request(body), read_form)):
        with contextlib.suppress(BadRequest, UnsupportedMediaType):
            read(request, Shape)

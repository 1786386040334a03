"""The Cookie reader and the Set-Cookie writer, by the rules of RFC 6265 and RFC 6265bis."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyturn.core.cookie import MAX_HEADER_BYTES, clear_cookie, find_cookie, set_cookie
from keyturn.errors import BadRequest, ConfigurationError, HeadersTooLarge

NAME = "__Host-kt_session"
VALUE = "kt_session_AAAAAAAAAAAAAAAAAAAAAA.1.b-c_d"
OURS = f"{NAME}={VALUE}".encode()


@pytest.mark.parametrize(
    "headers",
    [
        [OURS],
        [b"theme=dark; " + OURS],
        [OURS + b"; theme=dark"],
        [b"a=1;" + OURS + b";b=2"],
        [b"a=1; b=2", OURS, b"c=3"],
        [OURS + b";"],
        [b"a=1;  " + OURS],
        [b"a=1;    " + OURS + b";  b=2"],
        [b'a="1";   ' + OURS],
        [b'quoted="yes"; ' + OURS + b"; raw=\xff\xfe"],
        [b"price=$5; " + OURS],
        [b"my_kt_session=x; kt_session_id=y; " + OURS + b"; also=kt_session=z"],
        [b'open="half; ' + OURS],
        [b'a="whole"; ' + OURS + b'; b="also"'],
        [b"kt_session=http; " + OURS],
        [b"__Secure-kt_session=x; " + OURS + b"; __HOST-KT_SESSION=y"],
        [b"shop_session=other; " + OURS + b"; __Host-shop_session=other"],
    ],
)
def test_our_cookie_is_found_among_other_peoples(headers: list[bytes]) -> None:
    assert find_cookie(headers, NAME) == VALUE


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b""],
        [b"theme=dark"],
        [b"; ; ;"],
        [b"\xff\xfe=\x01; ===;"],
        [b"$Version=1; theme=dark"],
        [b'a="'],
        [b"note=" + OURS],
        [b'note="' + OURS + b'"'],
        [b"kt_sessions=x"],
        [b"xkt_session=x"],
        [b"kt_session=v"],
        [b"__Host-KT_SESSION=v"],
        [NAME.encode()],
        [f'"{NAME}"={VALUE}'.encode()],
        [f"{NAME} ={VALUE}".encode()],
        [b"a=1;\t" + OURS],
    ],
)
def test_malformed_headers_without_our_cookie_are_ignored(headers: list[bytes]) -> None:
    assert find_cookie(headers, NAME) is None


@pytest.mark.parametrize(
    "headers",
    [
        [OURS + b"; " + OURS],
        [OURS, OURS],
        [OURS + b"; a=1; " + NAME.encode() + b"=other"],
        [f'{NAME}="{VALUE}"'.encode()],
        [f"{NAME}=".encode()],
        [f"{NAME}= {VALUE}".encode()],
        [OURS + b" "],
        [b" " + OURS],
        [f"{NAME}==x".encode()],
        [f"{NAME}=a b".encode()],
        [f"{NAME}=a,b".encode()],
        [f"{NAME}=caf\u00e9".encode()],
        [OURS + b"\x00"],
        [b"a=1\r\nX-Injected: 1"],
        [b"a=\x00"],
    ],
)
def test_a_malformed_cookie_of_our_name_is_refused(headers: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        find_cookie(headers, NAME)


def test_a_header_as_large_as_the_cap_is_read_and_one_byte_more_is_refused() -> None:
    padding = b"a=" + b"x" * (MAX_HEADER_BYTES - len(OURS) - 4)
    assert find_cookie([padding + b"; " + OURS], NAME) == VALUE
    with pytest.raises(HeadersTooLarge):
        find_cookie([padding + b"x; " + OURS], NAME)
    with pytest.raises(HeadersTooLarge) as refused:
        find_cookie([padding + b"x", OURS], NAME)
    assert f"they are {MAX_HEADER_BYTES + 1} bytes, and {MAX_HEADER_BYTES} at most are read" in refused.value.hint


def test_a_name_without_a_prefix_is_read_beside_one_with_it() -> None:
    """A browser keeps one jar per host name: on localhost it also holds the cookies of an https server."""
    assert find_cookie([b"kt_session=v"], "kt_session") == "v"
    assert find_cookie([OURS + b"; kt_session=v"], "kt_session") == "v"
    assert find_cookie([OURS], "kt_session") is None
    with pytest.raises(BadRequest):
        find_cookie([b"kt_session=v; " + OURS + b"; kt_session=v"], "kt_session")


_pieces = st.lists(
    st.one_of(
        st.sampled_from([b"; ", b";", b"=", b'"', b" ", b"$Version=1", b"\xe2\x80\x80", b"\xa0", b"\x00", b"\\"]),
        st.sampled_from([OURS, NAME.encode(), b"kt_session", b"__HOST-KT_SESSION", VALUE.encode()]),
        st.binary(max_size=6),
    ),
    max_size=12,
).map(b"".join)


@given(st.lists(st.one_of(_pieces, st.binary(max_size=40)), max_size=3))
@example([b"=" * 3 + OURS])
def test_any_bytes_give_a_value_none_or_a_bad_request(headers: list[bytes]) -> None:
    try:
        found = find_cookie(headers, NAME)
    except BadRequest:
        return
    spelled = b"; ".join(headers).split(b";")
    exact = [each for each in spelled if each.strip(b" ").startswith(NAME.encode() + b"=")]
    assert (found is None and not exact) or [each.strip(b" ") for each in exact] == [f"{NAME}={found}".encode()]


@given(_pieces, _pieces)
def test_one_header_and_the_same_one_split_are_read_alike(first: bytes, second: bytes) -> None:
    def read(headers: list[bytes]) -> str | None:
        try:
            return find_cookie(headers, NAME)
        except BadRequest:
            return "refused"

    assert read([first, second]) == read([first + b"; " + second])


@pytest.mark.conforms("ASVS 3.3.1", "ASVS 3.3.3", "ASVS 3.3.4", "RFC 6265bis 4.1.3.2")
def test_a_written_cookie_is_pinned_and_hidden_from_scripts() -> None:
    written = set_cookie(NAME, VALUE, max_age_seconds=60, same_site="Strict")
    assert written == f"{NAME}={VALUE}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"


def test_a_cookie_without_an_age_ends_with_the_browser() -> None:
    assert set_cookie("kt_csrf", "v", secure=False, path="/auth", http_only=False) == (
        "kt_csrf=v; Path=/auth; SameSite=Lax"
    )


def test_a_cleared_cookie_has_the_attributes_it_was_set_with() -> None:
    assert clear_cookie(NAME) == f"{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("value", ["", "a;b", "a b", 'a"b', "a\r\nSet-Cookie: x=y", "a,b", "caf\u00e9", "a=b", "a\n"])
def test_a_value_that_could_inject_is_not_written(value: str) -> None:
    with pytest.raises(ConfigurationError):
        set_cookie(NAME, value)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("", {}),
        ("a;b", {}),
        ("a=b", {}),
        ("a\n", {}),
        ("n", {"path": "auth"}),
        ("n", {"path": "/;Domain=evil.example"}),
        ("n", {"path": "/\r\nX: y"}),
        ("n", {"same_site": "Lax; Domain=evil.example"}),
        ("n", {"same_site": "None", "secure": False}),
        ("n", {"max_age_seconds": -1}),
        ("n", {"max_age_seconds": 34_560_001}),
        (NAME, {"secure": False}),
        (NAME, {"path": "/auth"}),
        ("__HOST-x", {"secure": False}),
        ("__Secure-x", {"secure": False}),
    ],
)
def test_attributes_a_browser_would_drop_or_misread_are_not_written(name: str, attributes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        set_cookie(name, "v", **attributes)  # type: ignore[arg-type]

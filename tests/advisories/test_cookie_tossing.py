"""Cookie tossing, prefix look-alikes and the cookie sandwich.

Sources: PortSwigger Research, "Cookie Chaos: how to bypass __Host and __Secure cookie prefixes" (2025: non-ASCII
white space before the prefix, which the browser keeps and the server strips; $Version and RFC 2109 parsing),
"Stealing HttpOnly cookies with the cookie sandwich technique" (2025), CVE-2023-23934 and RFC 6265bis section 8.8
(cookies without a name), CVE-2022-36032 (percent-decoded names), RFC 9113 section 8.2.3 (headers split in two).
"""

import pytest

from keyturn.core.cookie import find_cookie
from keyturn.errors import BadRequest

NAME = "__Host-kt_session"
FIXED = "attackers_session"
GOOD = f"{NAME}=victims_session".encode()

# Everything str.strip() removes, in UTF-8 and, where it fits, as the lone Latin-1 byte.
SPACES = [chr(code).encode() for code in range(0x3001) if chr(code).isspace()] + [b"\x85", b"\xa0"]
HIDDEN = [*SPACES, b"\x01", b"\x7f", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"\xad", b'"', b"="]
PREFIXES = ["", "__Secure-", "__Http-", "__Host-Http-", "__HOST-", "__host-", "__HoSt-"]

SPELLINGS = [
    *(hidden + f"{NAME}={FIXED}".encode() for hidden in HIDDEN),
    *(NAME.encode() + hidden + f"={FIXED}".encode() for hidden in HIDDEN),
    *(f"{prefix}kt_session={FIXED}".encode() for prefix in PREFIXES),
    f"__Host-KT_SESSION={FIXED}".encode(),
    NAME.encode(),
    f"={NAME}".encode(),
]
# Our own name, with a space of RFC 6265 before it or another value; and the bytes that end a header.
OUR_NAME = [f" {NAME}={FIXED}".encode(), f"{NAME}=={FIXED}".encode()]
UNREADABLE = [*OUR_NAME, *(each for each in SPELLINGS if b"\r" in each or b"\n" in each)]
LOOKALIKES = [each for each in SPELLINGS if each not in UNREADABLE]
LAYOUTS = ["alone", "before", "after", "header before", "header after"]


def lay_out(lookalike: bytes, layout: str) -> list[bytes]:
    return {
        "alone": [lookalike],
        "before": [lookalike + b"; " + GOOD],
        "after": [GOOD + b"; " + lookalike],
        "header before": [lookalike, GOOD],
        "header after": [GOOD, lookalike],
    }[layout]


@pytest.mark.parametrize("lookalike", LOOKALIKES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.conforms("RFC 6265bis 4.1.3")
def test_a_look_alike_cookie_is_ignored(lookalike: bytes, layout: str) -> None:
    """To refuse it would let any sibling host lock the user out: it can set such a cookie, and nothing deletes it."""
    found = find_cookie(lay_out(lookalike, layout), NAME)
    assert found == (None if layout == "alone" else "victims_session")


@pytest.mark.parametrize("cookie", UNREADABLE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_unreadable_cookie_of_our_name_is_refused(cookie: bytes, layout: str) -> None:
    with pytest.raises(BadRequest):
        find_cookie(lay_out(cookie, layout), NAME)


@pytest.mark.parametrize("tossed", [f"{NAME}={FIXED}".encode(), GOOD])
def test_two_cookies_of_our_name_are_refused_even_when_equal(tossed: bytes) -> None:
    for headers in ([GOOD + b"; " + tossed], [tossed + b"; a=1; " + GOOD], [GOOD, tossed], [GOOD, b"a=1", tossed]):
        with pytest.raises(BadRequest):
            find_cookie(headers, NAME)


@pytest.mark.parametrize(
    "sandwich",
    [
        b'$Version=1; a="x; ' + GOOD + b'; b=y"',
        b'a="x; ' + GOOD + b'; b=y"',
        b'a="x\\"; ' + GOOD + b'; y"',
        b'a= "x; ' + GOOD + b'; "',
        b"$Version=1; " + GOOD,
        b"a=1; $Version=1; " + GOOD,
        GOOD + b"; $Path=/; $Domain=evil.example",
        GOOD + b";$Port",
    ],
)
def test_the_cookie_sandwich_is_refused(sandwich: bytes) -> None:
    with pytest.raises(BadRequest):
        find_cookie([sandwich], NAME)


def test_a_comma_does_not_smuggle_a_cookie() -> None:
    # WSGI servers may join repeated headers with a comma; to a browser it is part of the value.
    assert find_cookie([b"a=b," + f"{NAME}={FIXED}".encode() + b"; " + GOOD], NAME) == "victims_session"
    assert find_cookie([b"$Version=1," + GOOD], NAME) is None
    with pytest.raises(BadRequest):
        find_cookie([GOOD + b"," + f"{NAME}={FIXED}".encode()], NAME)


def test_a_percent_encoded_cookie_name_is_ignored() -> None:
    assert find_cookie([b"__%48ost-kt_session=x; " + GOOD], NAME) == "victims_session"

"""Requests and replies as values."""

import pytest

from keyturn.errors import BadRequest, Throttled
from keyturn.web.message import Reply, Request, json_reply, without_body
from keyturn.web.schemas import LoginRequest


def test_a_request_answers_every_value_of_a_header() -> None:
    request = Request("GET", "/", headers=((b"a", b"1"), (b"b", b"2"), (b"a", b"3")))
    assert request.values(b"a") == [b"1", b"3"]
    assert request.values(b"c") == []


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    """RFC 9110 section 5.5: servers of HTTP/2 pass it on."""
    request = Request("GET", "/", headers=((b"a", b" \t1 2\t "), (b"a", b"\x0b1\xa0")))
    assert request.values(b"a") == [b"1 2", b"\x0b1\xa0"]


def test_neither_repr_shows_a_credential() -> None:
    request = Request("POST", "/auth/login", "token=secret", ((b"authorization", b"secret"),), b"secret")
    reply = Reply(200, ((b"set-cookie", b"secret"),), b"secret")
    assert "secret" not in repr(request) + repr(reply)
    assert (repr(request), repr(reply)) == ("Request(POST /auth/login)", "Reply(200)")


def test_no_body_shows_its_secret() -> None:
    assert repr(LoginRequest("ada@example.com", "secret")) == "LoginRequest(***)"


def test_a_json_reply_is_framed_and_not_stored() -> None:
    reply = json_reply(200, {"a": 1})
    assert reply.body == b'{"a":1}'
    assert dict(reply.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"7",
        b"x-content-type-options": b"nosniff",
        b"cache-control": b"no-store",
    }


def test_a_reply_without_body_keeps_status_and_headers() -> None:
    refusal = Throttled(retry_after_seconds=1)
    reply = json_reply(429, {"a": 1}, refusal=refusal)
    assert without_body(reply) == Reply(429, reply.headers, b"", refusal)


def test_a_page_is_framed_and_not_stored() -> None:
    page = Reply.html(b"<p>x", status=403)
    assert (page.status, page.body) == (403, b"<p>x")
    assert dict(page.headers) == {
        b"content-type": b"text/html; charset=utf-8",
        b"content-length": b"4",
        b"x-content-type-options": b"nosniff",
        b"cache-control": b"no-store",
    }


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/", b"/"),
        ("/account?a=1&b=%20#x", b"/account?a=1&b=%20#x"),
        ("/caf\u00e9 au lait", b"/caf%C3%A9%20au%20lait"),
        ("/a\\b", b"/a%5Cb"),
        ("/https://evil.example", b"/https://evil.example"),
    ],
)
def test_a_redirect_leads_to_a_path_of_this_site(location: str, sent: bytes) -> None:
    reply = Reply.redirect(location)
    assert (reply.status, reply.body) == (303, b"")
    headers = dict(reply.headers)
    assert (headers[b"location"], headers[b"cache-control"], headers[b"content-length"]) == (sent, b"no-store", b"0")


@pytest.mark.parametrize(
    "location",
    [
        *(
            "",
            "account",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:x",
        ),
        *(
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=1",
            "/a\n",
            "/\x00",
            "/\ud800",
            "/\u2028",
            " /account",
            "\t//evil.example",
        ),
    ],
)
def test_a_redirect_elsewhere_or_of_two_lines_is_refused(location: str) -> None:
    """CWE-601 and CWE-113."""
    with pytest.raises(BadRequest):
        Reply.redirect(location)


def test_a_redirect_to_a_url_of_the_configuration_is_explicit() -> None:
    reply = Reply.redirect("https://app.example.com/cb?x=\u00e9", 302, is_own_url=True)
    assert (reply.status, dict(reply.headers)[b"location"]) == (302, b"https://app.example.com/cb?x=%C3%A9")
    for wrong in ("javascript:x", "https:///x", "http://a\r\nb", "/account"):
        with pytest.raises(BadRequest):
            Reply.redirect(wrong, is_own_url=True)

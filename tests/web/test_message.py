"""Requests and replies as values."""

from keyturn.errors import Throttled
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

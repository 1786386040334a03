"""The WSGI application: what it reads of a body, header names that a server joins, and real servers."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from threading import Thread
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from msgspec import structs
from werkzeug.serving import make_server as make_werkzeug_server

from keyturn import Issuer
from keyturn.errors import RequestTimeout
from keyturn.web import wsgi
from keyturn.web.application import Exchange
from keyturn.web.wsgi import WsgiEndpoints
from web.exchanges import FORM, HOST, JSON, PASSWORD, Answer, Sent, open_sync, send_wsgi, wsgi_environ

ADA = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()
LOGIN = Sent("POST", "/auth/login", (HOST, JSON), ADA)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = open_sync()
    yield issuer
    issuer.close()


class Input:
    """A body that counts the bytes that are read of it, and fails at its end unless that is ``marked``."""

    def __init__(self, body: bytes, *, marked: bool = False) -> None:
        self.rest, self.marked, self.read_bytes = body, marked, 0

    def read(self, size: int) -> bytes:
        if not self.rest and not self.marked:
            raise TimeoutError
        chunk, self.rest = self.rest[:size], self.rest[size:]
        self.read_bytes += len(chunk)
        return chunk


def post(issuer: Issuer, stream: Any, **environ: Any) -> tuple[int, str]:
    """Post to the login; return status and code."""
    statuses: list[str] = []
    base = {key: each for key, each in wsgi_environ(LOGIN).items() if key != "CONTENT_LENGTH"}
    body = WsgiEndpoints(issuer)(
        base | {"wsgi.input": stream} | environ,
        lambda status, *_: statuses.append(status),  # type: ignore[arg-type,return-value]
    )
    return int(statuses[0][:3]), json.loads(b"".join(body)).get("code", "")


def test_a_body_is_read_to_its_length_and_no_further(issuer: Issuer) -> None:
    stream = Input(ADA + b"GET /next")
    assert post(issuer, stream, CONTENT_LENGTH=str(len(ADA))) == (401, "login_failed")
    assert stream.read_bytes == len(ADA)


def test_a_request_without_a_length_has_no_body(issuer: Issuer) -> None:
    for absent in ({}, {"CONTENT_LENGTH": ""}):
        stream = Input(ADA)
        assert post(issuer, stream, **absent) == (400, "bad_request")
        assert stream.read_bytes == 0


@pytest.mark.parametrize("length", ["abc", "-1", "+5", "1_0", "5 ", "\xb2"])
def test_a_length_that_is_no_number_is_refused(issuer: Issuer, length: str) -> None:
    stream = Input(ADA)
    assert post(issuer, stream, CONTENT_LENGTH=length) == (400, "bad_request")
    assert stream.read_bytes == 0


@pytest.mark.parametrize("length", ["16385", "9" * 5000, "0" * 20 + "314572800"])
def test_a_large_body_is_refused_before_it_is_read(issuer: Issuer, length: str) -> None:
    stream = Input(ADA)
    assert post(issuer, stream, CONTENT_LENGTH=length) == (413, "payload_too_large")
    assert stream.read_bytes == 0


def test_a_length_with_leading_zeros_is_the_same_length(issuer: Issuer) -> None:
    stream = Input(ADA + b"GET /next")
    assert post(issuer, stream, CONTENT_LENGTH="0" * 5000 + str(len(ADA))) == (401, "login_failed")
    assert stream.read_bytes == len(ADA)
    assert post(issuer, Input(ADA), CONTENT_LENGTH="0" * 5000) == (400, "bad_request")


@pytest.mark.parametrize("name", ["RAW_URI", "HTTP_X_NAME"])
def test_a_text_that_is_not_latin_1_is_refused(issuer: Issuer, name: str) -> None:
    assert post(issuer, Input(ADA), CONTENT_LENGTH=str(len(ADA)), **{name: "/\u20ac"}) == (400, "bad_request")


def test_a_body_shorter_than_its_length_is_refused(issuer: Issuer) -> None:
    assert post(issuer, Input(ADA, marked=True), CONTENT_LENGTH=str(len(ADA) + 1)) == (400, "bad_request")


def test_a_body_without_a_length_is_read_where_the_server_marks_its_end(issuer: Issuer) -> None:
    marks = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert post(issuer, Input(ADA, marked=True), **marks) == (401, "login_failed")
    endless = Input(b" " * 50_000, marked=True)
    assert post(issuer, endless, **marks) == (413, "payload_too_large")
    assert endless.read_bytes == 16 * 1024 + 1


def test_chunks_that_the_server_does_not_decode_are_refused(issuer: Issuer) -> None:
    for length in ({}, {"CONTENT_LENGTH": "4"}):
        stream = Input(b"0\r\n\r\n")
        assert post(issuer, stream, HTTP_TRANSFER_ENCODING="chunked", **length) == (400, "bad_request")
        assert stream.read_bytes == 0


def test_a_body_that_arrives_slowly_is_refused(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "BODY_SECONDS", -1.0)
    assert post(issuer, Input(ADA), CONTENT_LENGTH=str(len(ADA))) == (408, "request_timeout")


def test_an_error_of_the_connection_is_a_refusal(issuer: Issuer) -> None:
    class Reset(Input):
        def read(self, size: int) -> bytes:
            raise ConnectionResetError

    assert post(issuer, Input(b""), CONTENT_LENGTH="5") == (408, RequestTimeout.code)
    assert post(issuer, Reset(b""), CONTENT_LENGTH="5") == (400, "bad_request")


def test_a_second_content_type_or_length_of_another_spelling_is_ignored(issuer: Issuer) -> None:
    spoofed = {"HTTP_CONTENT_TYPE": "text/plain", "HTTP_CONTENT_LENGTH": "1"}
    assert post(issuer, Input(ADA), CONTENT_LENGTH=str(len(ADA)), **spoofed) == (401, "login_failed")


def test_a_comma_in_a_foreign_cookie_plants_no_session_cookie(issuer: Issuer) -> None:
    """Cookie tossing: a sibling domain sets a cookie whose value looks like a second one."""
    app = WsgiEndpoints(issuer)
    signed_up = send_wsgi(app, replace_path(LOGIN, "/auth/signup"))
    session = next(each for each in signed_up.values(b"set-cookie") if b"session" in each).partition(b";")[0]
    assert send_wsgi(app, Sent("GET", "/auth/session", (HOST, (b"cookie", session)))).status == 200
    planted = (HOST, (b"cookie", b"theme=1," + session))
    assert send_wsgi(app, Sent("GET", "/auth/session", planted)).status == 401


def replace_path(sent: Sent, path: str) -> Sent:
    return sent._replace(path=path)


def test_requests_above_the_limit_are_refused(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "MAX_REQUESTS", 1)
    app = WsgiEndpoints(issuer)
    assert [send_wsgi(app, LOGIN).status for _ in range(3)] == [401] * 3
    with app._slots:
        answer = send_wsgi(app, LOGIN)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "overloaded")
    assert answer.values(b"retry-after")


def test_a_forked_child_has_every_slot(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "MAX_REQUESTS", 1)
    app = WsgiEndpoints(issuer)
    assert app._slots.acquire(blocking=False)
    assert send_wsgi(app, LOGIN).status == 503
    with app._slots._cond:  # a lock that a thread of the parent held at the fork
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert send_wsgi(app, LOGIN).status == 401


def test_a_request_past_its_deadline_makes_no_further_call(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "FLOW_SECONDS", -1.0)
    answer = send_wsgi(WsgiEndpoints(issuer), replace_path(LOGIN, "/auth/signup"))
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "store_unavailable")
    assert issuer.parts.store.accounts.find("ada@example.com") is None


def test_an_unexpected_error_is_logged_and_is_a_503(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.parts = replace(issuer.parts, ports=replace(issuer.parts.ports, throttles=None))
    for method, size in (("POST", 0), ("HEAD", 0)):
        with caplog.at_level(logging.ERROR, "keyturn.web"):
            answer = send_wsgi(WsgiEndpoints(issuer), LOGIN)
        assert (answer.status, json.loads(answer.body)["code"], size) == (503, "unavailable", 0), method
    assert "/auth/login" in caplog.text


def test_an_observer_is_told_route_status_and_refusal(issuer: Issuer) -> None:
    seen: list[Exchange] = []
    app = WsgiEndpoints(issuer, seen.append)
    send_wsgi(app, LOGIN)
    send_wsgi(app, Sent("GET", "/of/my/choosing"))
    assert [(each.method, each.route, each.reply.status) for each in seen] == [
        ("POST", "/auth/login", 401),
        ("GET", "unmatched", 404),
    ]
    assert seen[0].reply.refusal
    assert seen[0].seconds > 0


class QuietHandler(WSGIRequestHandler):
    environs: ClassVar[list[dict[str, Any]]] = []

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve(server: Any) -> Iterator[int]:
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def exchange(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("__", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def raw_status(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100).split()[1]


def sessions_of(issuer: Issuer) -> list[str]:
    account = issuer.parts.store.accounts.find("ada@example.com")
    return [each.address for each in issuer.sessions(account.subject)]


def test_wsgiref_serves_the_endpoints_and_no_forged_address(issuer: Issuer) -> None:
    server = make_server("127.0.0.1", 0, WsgiEndpoints(issuer), handler_class=QuietHandler)
    json_type = {"Content__Type": "application/json"}
    with serve(server) as port:
        spoof = {"X_Forwarded_For": "198.51.100.9"}
        assert exchange(port, "POST", "/auth/signup", ADA, **json_type, **spoof)[0] == 201
        assert exchange(port, "POST", "/auth/login", ADA, **json_type)[0] == 200
        assert exchange(port, "HEAD", "/auth/session") == (401, {})
        post = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        assert raw_status(port, post + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == b"400"
        assert raw_status(port, post + b"Content-Length: 9\r\n\r\n{}") == b"400"
        assert raw_status(port, post + b"Host: y\r\nContent-Length: 2\r\n\r\n{}") == b"400"
    assert sessions_of(issuer) == ["127.0.0.1"] * 2


def test_werkzeug_serves_the_endpoints_and_bodies_in_chunks(issuer: Issuer) -> None:
    issuer.settings = structs.replace(issuer.settings, trusted_proxies="127.0.0.0/8")
    server = make_werkzeug_server("127.0.0.1", 0, WsgiEndpoints(issuer), threaded=True)
    json_type = {"Content__Type": "application/json"}
    with serve(server) as port:
        assert exchange(port, "POST", "/auth/signup", iter([ADA[:20], ADA[20:]]), **json_type)[0] == 201
        spoof = {"X_Forwarded_For": "198.51.100.9", "X__Forwarded__For": "203.0.113.7"}
        assert exchange(port, "POST", "/auth/login", ADA, **json_type, **spoof)[0] == 200
        assert exchange(port, "GET", "/auth/%73ession")[0] == 404
        assert exchange(port, "POST", "/auth/login", iter([b" " * 20_000]), **json_type)[0] == 413
    assert sorted(sessions_of(issuer)) == ["127.0.0.1", "203.0.113.7"]


def test_the_endpoints_are_served_below_a_mount_point(issuer: Issuer) -> None:
    environ = wsgi_environ(Sent("GET", "/auth/session")) | {"SCRIPT_NAME": "/id"}
    statuses: list[str] = []
    WsgiEndpoints(issuer)(environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type,return-value]
    assert statuses == ["401 Unauthorized"]


def test_a_form_is_read_like_json(issuer: Issuer) -> None:
    answer: Answer = send_wsgi(WsgiEndpoints(issuer), Sent("POST", "/auth/revoke", (HOST, FORM), b"token=x"))
    assert (answer.status, json.loads(answer.body)["revoked"]) == (200, False)


def test_a_content_type_that_wsgiref_guessed_is_none() -> None:
    guessed = {"SERVER_SOFTWARE": "WSGIServer/0.2", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": ""}
    plain = [(b"content-type", b"text/plain")]
    assert list(wsgi.environ_headers(guessed)) == []
    assert list(wsgi.environ_headers(guessed | {"SERVER_SOFTWARE": "gunicorn/27"})) == plain
    assert plain[0] in list(wsgi.environ_headers(guessed | {"CONTENT_LENGTH": "0"}))
    assert list(wsgi.environ_headers(guessed | {"CONTENT_TYPE": "application/json"})) != []

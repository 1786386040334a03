"""What a client may not do to the server: too much, too slowly, too strangely. And what plain HTTP it may."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import httpx
import pytest

from server.raw_http import RawConnection
from server_process import ServerProcess, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("limits") / "data", algorithm="ES256") as server:
        yield server


POST = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /auth/session HTTP/1.1\r\nHost: x\r\n"


def status_and_code(server: ServerProcess, *parts: bytes) -> tuple[int, str]:
    with RawConnection(server.url) as connection:
        connection.send(*parts)
        status, _, body = connection.reply()
        problem = json.loads(body)
        assert problem["docs"] == f"{server.url}/docs/errors#{problem['code']}"
        return status, problem["code"]


def test_a_large_body_is_refused_before_it_is_read(server: ServerProcess) -> None:
    # Declared, and none of it sent: the answer comes all the same.
    assert status_and_code(server, POST, b"Content-Length: 17408\r\n\r\n") == (413, "payload_too_large")


@pytest.mark.parametrize("size", [16 * 1024 + 1, 17 * 1024, 300_000])
def test_a_large_body_that_says_no_size_is_cut_off(server: ServerProcess, size: int) -> None:
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b" " * size)
    assert status_and_code(server, POST, b"Transfer-Encoding: chunked\r\n\r\n", chunk) == (413, "payload_too_large")


def test_a_body_of_just_the_limit_is_read(server: ServerProcess) -> None:
    body = b'{"email": "a@example.com", "password": 1, "x": "' + b"x" * (16 * 1024 - 50) + b'"}'
    assert len(body) == 16 * 1024
    assert status_and_code(server, POST, b"Content-Length: 16384\r\n\r\n", body) == (400, "invalid_member")


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n"])
@pytest.mark.parametrize("path", [b"/auth/session", b"/livez"])
def test_a_request_without_one_host_is_refused(server: ServerProcess, path: bytes, hosts: bytes) -> None:
    """RFC 9112 section 3.2."""
    assert status_and_code(server, b"GET " + path + b" HTTP/1.1\r\n" + hosts + b"\r\n") == (400, "bad_request")


def test_too_many_cookies_are_refused_with_their_size(server: ServerProcess) -> None:
    cookies = "; ".join(f"app{number}={'x' * 1000}" for number in range(17))
    with RawConnection(server.url) as connection:
        connection.send(GET, f"Cookie: {cookies}\r\n\r\n".encode())
        status, _, body = connection.reply()
    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")
    assert f"they are {len(cookies)} bytes" in json.loads(body)["hint"]


@pytest.mark.timeout(120)
def test_a_slow_client_is_timed_out_and_disconnected(server: ServerProcess) -> None:
    # All at once: each of them takes its ten seconds.
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(each, server) for each in (slow_body, slow_head, silent_connection)]
        assert [each.result() for each in running] == [(408, "request_timeout")] * 3


def slow_body(server: ServerProcess) -> tuple[int, str]:
    with RawConnection(server.url) as connection:
        connection.send(POST, b"Content-Length: 1000\r\n\r\n")
        connection.drip(repeat(ord("{")), 0.1)
        status, _, body = connection.reply()
        # It does not stop until it is hung up on: it is not listened to for ever.
        connection.drip(repeat(ord("{")), 0.1)
        assert connection.rest() == b""
        return status, json.loads(body)["code"]


def slow_head(server: ServerProcess) -> tuple[int, str]:
    with RawConnection(server.url) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        connection.drip(repeat(ord("x")), 0.1)
        return final_response(connection)


def silent_connection(server: ServerProcess) -> tuple[int, str]:
    with RawConnection(server.url) as connection:
        return final_response(connection)


def final_response(connection: RawConnection) -> tuple[int, str]:
    status, headers, body = connection.reply()
    assert headers["connection"] == "close"
    assert connection.rest() == b""
    return status, json.loads(body)["code"]


def test_many_headers_are_refused(server: ServerProcess) -> None:
    assert status_and_code(server, GET, b"".join(b"X-%d: y\r\n" % n for n in range(101)), b"\r\n") == (
        431,
        "headers_too_large",
    )


def test_a_large_header_is_refused(server: ServerProcess) -> None:
    assert status_and_code(server, GET, b"X: ", b"y" * 33_000, b"\r\n\r\n") == (431, "headers_too_large")


def test_a_header_without_end_is_not_read_on(server: ServerProcess) -> None:
    with RawConnection(server.url) as connection:
        try:
            for _ in range(1000):
                connection.send(b"GET /livez HTTP/1.1\r\nX: " if _ == 0 else b"y" * 65536)
        except OSError:
            return
    raise AssertionError("64 MiB of one header were taken")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"GET\r\n\r\n",
        b"GET http://x:99999999/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /auth/session HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}{}{}",
        b"GET /auth/session HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /auth/session HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_request_that_is_not_http_is_a_bad_request(server: ServerProcess, nonsense: bytes) -> None:
    assert status_and_code(server, nonsense) == (400, "bad_request")


def test_two_requests_on_one_connection_are_answered_in_order(server: ServerProcess) -> None:
    with RawConnection(server.url) as connection:
        connection.send(GET, b"\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.reply()[0] == 401
        assert json.loads(connection.reply()[2]) == {"status": "alive"}
        connection.send(GET, b"\r\n")
        assert connection.reply()[0] == 401


def test_http_1_0_is_answered_and_closed(server: ServerProcess) -> None:
    with RawConnection(server.url) as connection:
        connection.send(b"GET /auth/session HTTP/1.0\r\n\r\n")
        status, headers, body = connection.reply()
        assert (status, headers["connection"], json.loads(body)["code"]) == (401, "close", "unauthenticated")
        assert connection.rest() == b""


def test_head_is_get_without_a_body(server: ServerProcess) -> None:
    for path in ("/.well-known/jwks.json", "/livez", "/auth/session"):
        get, head = httpx.get(server.url + path), httpx.head(server.url + path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/auth/sessions/../session", 404, "not_found"),
        ("GET", "/auth/session/", 404, "not_found"),
        ("GET", "//auth/session", 404, "not_found"),
        ("GET", "/auth/login", 405, "method_not_allowed"),
        ("DELETE", "/auth/session", 405, "method_not_allowed"),
        ("OPTIONS", "/auth/session", 405, "method_not_allowed"),
        ("TRACE", "/auth/session", 405, "method_not_allowed"),
    ],
)
def test_other_paths_and_methods_are_documented_refusals(
    server: ServerProcess, method: str, path: str, status: int, code: str
) -> None:
    with RawConnection(server.url) as connection:
        connection.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        log_lines, headers, body = connection.reply()
        assert (log_lines, json.loads(body)["code"]) == (status, code)
        assert ("allow" in headers) == (status == 405)

"""Request smuggling and path rule bypass: a proxy and the server must read the same request.

Sources: CWE-444, RFC 9112 sections 6.3 (one framing), 5.2 (obsolete folding), 3.2 (request targets), PortSwigger
"HTTP Desync Attacks" (2019) and "HTTP/1 must die" (2025), CWE-177 (encoded paths), CWE-650 (method override),
CVE-2019-16276 and kin. Real bytes to a real server.
"""

import json
from collections.abc import Iterator

import pytest

from advisories.raw_http import documented
from server.raw_http import RawConnection
from server_process import ServerProcess, run_server

HOST = b"Host: x\r\n"
POST = b"POST /auth/logout HTTP/1.1\r\n" + HOST
GET = b"GET /auth/session HTTP/1.1\r\n" + HOST
HIDDEN = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("smuggling") / "data", algorithm="ES256") as server:
        yield server


def ask(server: ServerProcess, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    with RawConnection(server.url) as client:
        client.send(*parts)
        return client.reply()


AMBIGUOUS = {
    "TE and CL": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "CL and TE": POST + CHUNKED + b"Content-Length: 0\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 48\r\n\r\n" + HIDDEN,
    "one length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "a signed length": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a hexadecimal length": POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "an endless length": POST + b"Content-Length: 99999999999999999999999999\r\n\r\n" + HIDDEN,
    "another coding": POST + b"Transfer-Encoding: identity\r\n\r\n" + HIDDEN,
    "a misspelt coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two codings": POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded header": POST + b"X: 1\r\n " + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "a folded first header": b"POST /auth/logout HTTP/1.1\r\n " + HOST + b"\r\n" + HIDDEN,
    "a bare carriage return": POST + b"X: 1\r" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "NUL in a header": POST + b"X: \x00\r\n\r\n" + HIDDEN,
    "a quoted chunk extension": POST + CHUNKED + b'\r\n1;a="\r\n\r\n"\r\nx\r\n0\r\n\r\n' + HIDDEN,
    "a signed chunk size": POST + CHUNKED + b"\r\n-1\r\n\r\n" + HIDDEN,
    "a chunk that is too long": POST + CHUNKED + b"\r\n1\r\nxx\r\n0\r\n\r\n" + HIDDEN,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "an unknown method": b"BREW /auth/session HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "bytes in the path": b"GET /auth/\xff HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "no path": b"GET http://evil.example HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "a tunnel": b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
}


@pytest.mark.parametrize("ambiguous", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_the_connection_closed(server: ServerProcess, ambiguous: str) -> None:
    with RawConnection(server.url) as client:
        client.send(AMBIGUOUS[ambiguous])
        status, headers, body = client.reply()
        assert (status, headers["connection"]) == (400, "close")
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["code"] in documented()
        assert client.rest() == b""


@pytest.mark.parametrize("length", [17_000, 40_000])
def test_a_refused_body_is_not_parsed_as_requests(server: ServerProcess, length: int) -> None:
    body = (HIDDEN * (length // len(HIDDEN) + 1))[:length]
    with RawConnection(server.url) as client:
        client.send(b"POST /auth/login HTTP/1.1\r\n" + HOST, b"Content-Length: %d\r\n\r\n" % length, body)
        client.send(GET, b"Connection: close\r\n\r\n")
        statuses = []
        while len(statuses) < 2:
            status, headers, _ = client.reply()
            statuses.append(status)
            if headers.get("connection") == "close":
                break
        assert statuses in ([413, 401], [413])
        assert client.rest() == b""


def test_an_unexpected_body_is_discarded(server: ServerProcess) -> None:
    with RawConnection(server.url) as client:
        client.send(GET, b"Content-Length: %d\r\n\r\n" % len(HIDDEN), HIDDEN, GET, b"Connection: close\r\n\r\n")
        assert [client.reply()[0], client.reply()[0]] == [401, 401]
        assert client.rest() == b""


def test_an_upgrade_is_not_a_second_way_in(server: ServerProcess) -> None:
    for protocol in (b"websocket", b"h2c", b"TLS/1.0"):
        upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\nUpgrade: " + protocol + b"\r\n\r\n"
        assert ask(server, GET, upgrade)[0] == 401


PATHS = [
    "//auth/session",
    "/auth//session",
    "/auth/session/",
    "/auth/./session",
    "/x/../auth/session",
    "/x/%2e%2e/auth/session",
    "/auth/%73ession",
    "/%61uth/session",
    "/auth%2fsession",
    "/auth%2Fsession",
    "/auth/session%00",
    "/auth/session%20",
    "/auth/session%0a",
    "/auth/session%ff",
    "/auth/session;x=1",
    "/AUTH/SESSION",
    "/auth/session.json",
    "/auth\\session",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_has_one_spelling(server: ServerProcess, path: str) -> None:
    """A proxy in front may allow or deny by path: what it did not recognise must not be recognised here."""
    status, headers, body = ask(server, f"GET {path} HTTP/1.1\r\n".encode(), HOST, b"\r\n")
    assert (status, json.loads(body)["code"]) == (404, "not_found")
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/.well-known/jwks.json", "/openapi.json"])
@pytest.mark.parametrize("spelling", ["{}/", "/{}", "{}%2f", "{}?x=%ff"])
def test_variants_of_a_path_are_not_found(server: ServerProcess, path: str, spelling: str) -> None:
    status, _, body = ask(server, f"GET {spelling.format(path)} HTTP/1.1\r\n".encode(), HOST, b"\r\n")
    assert status == (200 if "?" in spelling else 404)
    assert status == 200 or json.loads(body)["code"] == "not_found"


def test_an_encoded_session_id_is_none(server: ServerProcess) -> None:
    with server.client() as browser:
        body = {"email": "ada@example.com", "password": "a bicycle made of rain"}
        sid = browser.post("/auth/signup", json=body).json()["sid"]
        cookie = b"Cookie: " + "; ".join(f"{n}={v}" for n, v in browser.cookies.items()).encode() + b"\r\n"
        for spelling in (
            f"%{ord(sid[0]):02x}{sid[1:]}",
            sid + "%00",
            sid + "=",
            sid.replace(sid[0], sid[0] + "%2f..%2f"),
        ):
            delete = f"DELETE /auth/sessions/{spelling} HTTP/1.1\r\n".encode()
            assert ask(server, delete, HOST, cookie, b"\r\n")[0] == 404
        assert browser.get("/auth/session").status_code == 200
        assert (
            ask(server, f"DELETE http://evil.example/auth/sessions/{sid} HTTP/1.1\r\n".encode(), HOST, cookie, b"\r\n")[
                0
            ]
            == 200
        )


def test_the_host_of_an_absolute_request_target_is_ignored(server: ServerProcess) -> None:
    """An absolute target names any host it likes; nothing here is answered by host, and no answer repeats it."""
    for host, expected in (
        (b"Host: evil.example\r\n", 200),
        (b"X-Forwarded-Host: evil.example\r\n" + HOST, 200),
        (b"Host: x\r\nHost: y\r\n", 400),
        (b"", 400),
    ):
        status, headers, body = ask(server, b"GET http://evil.example/openapi.json HTTP/1.1\r\n", host, b"\r\n")
        assert status == expected
        assert b"evil.example" not in body
        assert "evil.example" not in str(headers)

"""One HTTP exchange, against servers that stall, drip, redirect, overflow, break off or answer nonsense."""

import os
import socket
import subprocess
import sys
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from keyturn.errors import ConfigurationError, Unavailable
from keyturn.verifier.fetch import bearer_header, fetch, fetch_as, request, require_secure


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com",
        "https://auth.example.com:8443/x?y",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]:80/",
    ],
)
def test_https_is_secure_and_so_is_this_machine(url: str) -> None:
    assert require_secure(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://auth.example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"),
        *("file:///etc/passwd", "ftp://x", "data:,x", "", "auth.example.com", "https://", "https:///path"),
        *("http://[::1", "http://[x]/"),
    ],
)
def test_an_insecure_url_is_refused_before_the_request(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        request(url)


def test_fetch_returns_the_body_and_sends_the_bearer_header(site: Any) -> None:
    site.answers["/x"] = b'{"a":1}'
    assert fetch(request(site.url + "/x", bearer_header("secret"), b"form")) == b'{"a":1}'
    method, _, headers, body = site.requests[0]
    assert (method, headers["Accept"], headers["Authorization"], body) == (
        "POST",
        "application/json",
        "Bearer secret",
        b"form",
    )
    fetch(request(site.url + "/x", bearer_header(None)))
    assert "Authorization" not in site.requests[1][2]


FETCH_ALL = """
import sys
from keyturn.errors import Unavailable
from keyturn.verifier.fetch import bearer_header, fetch, request
for url in sys.argv[1:]:
    try:
        fetch(request(url, bearer_header("service-token")))
    except Unavailable as unavailable:
        print(unavailable, file=sys.stderr)
"""


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"])
def test_a_proxy_of_the_environment_never_sees_a_loopback_issuer(site: Any, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.0)
        port = proxy.getsockname()[1]
        urls = [site.url + "/x", site.url.replace("127.0.0.1", "localhost") + "/x", f"https://localhost:{port + 1}/x"]
        environment = {"PATH": os.environ["PATH"], variable: f"http://127.0.0.1:{port}", "no_proxy": ""}
        site.answers["/x"] = b"{}"
        subprocess.run([sys.executable, "-c", FETCH_ALL, *urls], env=environment, check=True, timeout=60)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert [headers["Authorization"] for _, _, headers, _ in site.requests] == ["Bearer service-token"] * 2


@pytest.mark.parametrize("status", [201, 204, 301, 302, 303, 307, 308, 400, 401, 404, 500, 503])
def test_every_other_status_is_unavailable_and_no_redirect_is_followed(site: Any, status: int) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(status)
        handler.send_header("Location", site.url + "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.answers["/x"] = answer
    with pytest.raises(Unavailable, match=str(status)):
        fetch(request(site.url + "/x"))
    assert site.paths() == ["/x"]


def test_a_401_is_explained_as_a_wrong_service_token(site: Any) -> None:
    site.answers["/x"] = lambda handler: handler.send_error(401)
    with pytest.raises(Unavailable, match="answered 401: the service token is missing or unknown to the issuer"):
        fetch(request(site.url + "/x"))


def test_a_body_over_the_cap_is_not_read_to_its_end(site: Any) -> None:
    site.answers["/x"] = b"0" * 1001
    assert len(fetch(request(site.url + "/x"), max_bytes=1001)) == 1001
    with pytest.raises(Unavailable, match="more than 1000"):
        fetch(request(site.url + "/x"), max_bytes=1000)


def test_a_silent_server_times_out(site: Any) -> None:
    given_up = Event()
    site.answers["/x"] = lambda _: None if given_up.wait(30) else b"too late"
    with pytest.raises(Unavailable, match="TimeoutError"):
        fetch(request(site.url + "/x"), seconds=0.1)
    given_up.set()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nx",
    ],
)
def test_a_reply_that_is_not_http_is_unavailable(sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(sent)

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(Unavailable):
            fetch(request(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        thread.join()


def test_a_body_of_undeclared_length_ends_with_the_connection(site: Any) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"whole")

    site.answers["/x"] = answer
    assert fetch(request(site.url + "/x")) == b"whole"
    with pytest.raises(Unavailable, match="more than 4"):
        fetch(request(site.url + "/x"), max_bytes=4)


def test_a_refused_connection_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable):
        fetch(request(f"http://127.0.0.1:{port}/"))


class Answer(msgspec.Struct):
    number: int


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"number":"1"}', b'{"number":1,"number":2}', b"\xff", b"[" * 5000]
)
def test_an_answer_of_another_shape_is_unavailable(body: bytes) -> None:
    with pytest.raises(Unavailable):
        fetch_as(Answer, request("https://x.example"), lambda _: body)


def test_an_answer_of_its_shape_is_read() -> None:
    assert fetch_as(Answer, request("https://x.example"), lambda _: b'{"number":1,"more":[]}') == Answer(1)

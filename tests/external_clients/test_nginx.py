"""nginx in front of a service that knows nothing of logins, configured as the documentation says."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.nginx import Nginx
from services.ports import free_port

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "nginx.md"
BODY = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}


class Plain(BaseHTTPRequestHandler):
    """Says what arrived."""

    def do_GET(self) -> None:
        told = json.dumps({"method": self.command, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_GET  # noqa: N815 - the name http.server calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Plain)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("nginx") / "data"
    with run_server(data, algorithm="ES256", trusted_proxies="127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: ServerProcess, service: int) -> Iterator[Nginx]:
    port = free_port()
    site, upstreams = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.S)
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("server_name app.example.com;", "")
    upstreams = upstreams.replace(":8000", f":{server.port}").replace(":9000", f":{service}")
    nginx = Nginx(port, upstreams + site)
    nginx.start()
    yield nginx
    nginx.remove()


@pytest.fixture
def ada(nginx: Nginx) -> Iterator[httpx.Client]:
    """Log in through nginx, and yield a client with the session cookie and an ``access_token``."""
    with httpx.Client(base_url=nginx.url, timeout=30) as client:
        issued = client.post("/auth/signup", json=BODY)
        if issued.status_code == 409:
            issued = client.post("/auth/login", json=BODY)
        assert issued.status_code in (200, 201), issued.text
        client.headers["x-test-token"] = issued.json()["access_token"]
        yield client


def test_nginx_passes_no_request_without_a_login(nginx: Nginx) -> None:
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"x-subject": "root"}):
        reply = httpx.get(nginx.url + "/orders", headers=headers)
        assert reply.status_code == 401


def test_a_cookie_and_an_access_token_both_open_it_and_the_service_sees_neither(
    nginx: Nginx, ada: httpx.Client
) -> None:
    by_cookie = ada.get("/orders", headers={"x-subject": "root", "x-scope": "all"}).json()["headers"]
    token = {"authorization": "Bearer " + ada.headers["x-test-token"]}
    by_token = httpx.get(nginx.url + "/orders", headers=token).json()["headers"]
    subject = ada.get("/auth/session").json()["subject"]
    for headers in (by_cookie, by_token):
        assert headers["x-subject"] == subject
        assert "cookie" not in headers
        assert "authorization" not in headers
    assert by_cookie.get("x-scope", "") == ""


def test_a_post_of_another_site_is_refused_although_nginx_asks_with_get(ada: httpx.Client, nginx: Nginx) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert ada.post("/orders", headers=foreign).status_code == 403
    assert ada.get("/orders", headers=foreign).status_code == 200
    own = {"origin": nginx.url, "sec-fetch-site": "same-origin"}
    assert ada.post("/orders", headers=own).json()["method"] == "POST"


def test_an_ended_login_is_refused_at_the_next_request(nginx: Nginx, ada: httpx.Client) -> None:
    cookies = dict(ada.cookies)
    token = {"authorization": "Bearer " + ada.headers["x-test-token"]}
    assert ada.post("/auth/logout").status_code == 200
    assert httpx.get(nginx.url + "/orders", cookies=cookies).status_code == 401
    assert httpx.get(nginx.url + "/orders", headers=token).status_code == 401


def test_nginx_passes_no_request_while_the_issuer_is_down(tmp_path: Path, service: int) -> None:
    port = free_port()
    body = PAGE.read_text()
    site, upstreams = re.findall(r"```nginx\n(.*?)```", body, re.S)
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("server_name app.example.com;", "")
    nginx = Nginx(port, upstreams.replace(":8000", ":1").replace(":9000", f":{service}") + site)
    nginx.start()
    try:
        assert httpx.get(nginx.url + "/orders", cookies={"kt_session": "x"}).status_code == 500
    finally:
        nginx.remove()

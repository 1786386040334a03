"""A Flask application with the endpoints, an API and pages that load the browser client, at a time that a test sets."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flask import Flask, request

from keyturn import Issuer
from keyturn.config.settings import Settings
from keyturn.integrations.flask import Keyturn
from services.ports import free_port

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

EXPIRY_SECONDS = 70.0
"""Longer than an access token of 60 s with its leeway, and than every grace window."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Site:
    """The application. ``refreshes``: requests for new tokens that reached the endpoints."""

    def __init__(self, port: int, **settings: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = Clock()
        given: dict[str, Any] = {"issuer": self.url, "audience": self.url, "store": "memory:", "secret": "s3cret-" * 8}
        complete = Settings(**given, algorithm="ES256", access_token_seconds=60, **settings)
        self.issuer = Issuer.open(complete, clock=self.clock, background=False)
        self.refreshes = 0
        self.lost_answers = 0
        self.is_down = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._count = threading.Lock()
        self._app = Flask(__name__)
        auth = Keyturn(self._app, self.issuer)
        self._app.add_url_rule("/api/orders", "orders", auth.required(_orders), methods=["GET", "POST"])
        self._app.add_url_rule("/", "page", lambda: "<!doctype html><title>Orders</title>")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, or lose the answer to a refresh after it was made."""
        path = environ["PATH_INFO"]
        if self.is_down and path != "/":
            start_response("503 Service Unavailable", [("Retry-After", "7"), ("Content-Type", "text/html")])
            return [b"<h1>Service Unavailable</h1>"]
        answer = self._app(environ, start_response)
        if path == "/auth/token" and environ["REQUEST_METHOD"] == "POST":
            self._note_refresh()
        return answer

    def expire(self) -> None:
        """Let the access tokens expire."""
        self.clock.now += EXPIRY_SECONDS

    def _note_refresh(self) -> None:
        with self._count:
            self.refreshes += 1
            is_lost = self.lost_answers > 0
            self.lost_answers -= is_lost
        self.may_answer.wait(20)
        if is_lost:
            raise ConnectionAbortedError("the answer is lost")


def _orders() -> dict[str, str]:
    return {"received": request.get_data(as_text=True)}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_site(**settings: Any) -> Iterator[Site]:
    """Run the application on a port of its own."""
    port = free_port()
    site = Site(port, **settings)
    with site.issuer, _serving(make_server("127.0.0.1", port, site, server_class=_Server, handler_class=_Handler)):
        yield site


@contextmanager
def page_server() -> Iterator[str]:
    """Serve an empty page. Yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _Page)
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def _serving(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

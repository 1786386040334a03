"""Exchanges that every application of the endpoints must answer alike, and the applications."""

import asyncio
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from keyturn import AsyncIssuer, Issuer
from keyturn.config.settings import Settings
from keyturn.passwords import Argon2Hasher, Argon2Parameters
from keyturn.server.app import build_app
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.wsgi import WsgiEndpoints

HOST = (b"host", b"auth.example.com")
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
NOW = 1_900_000_000.0
PASSWORD = "unrelated gravel thistle moss"
SERVICE_TOKEN = "6f1e2d3c4b5a69788796a5b4c3d2e1f0"
Headers = Sequence[tuple[bytes, bytes]]


class Sent(NamedTuple):
    method: str
    path: str
    headers: Headers = (HOST,)
    body: bytes = b""
    version: str = "1.1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each == name]

    def masked(self) -> tuple[object, ...]:
        """Status, headers and body without what differs from one run to the next: credentials and ids."""
        length = b"%d" % len(self.body)
        headers = tuple((name, b"*" if value == length else _mask(value)) for name, value in self.headers)
        return self.status, headers, _mask(self.body)


ORIGINS = ""
Send = Callable[[Sent], Answer]

_RANDOM = re.compile(
    rb"kt_\w+?_[\w.-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+|(?<![\w-])[\w-]{22,43}(?![\w-])|\"log\":\d+|\"mark\":\"[^\"]*"
)


def _mask(text: bytes) -> bytes:
    return _RANDOM.sub(b"*", text)


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "issuer": "https://auth.example.com",
        "audience": "orders",
        "store": "memory:",
        "secret": "s3cret-" * 8,
        "service_token": SERVICE_TOKEN,
        "algorithm": "ES256",
        "trusted_proxies": "192.0.2.0/24",
        "trusted_origins": ORIGINS,
    }
    return Settings(**given | changes)


def cheap(issuer: Any) -> Any:
    """Replace the hasher of an issuer by one whose hashes cost next to nothing."""
    issuer.parts.hasher.close()
    hasher = Argon2Hasher(Argon2Parameters(memory_cost=64, time_cost=1), threads=1)
    issuer.parts = replace(issuer.parts, hasher=hasher, ports=replace(issuer.parts.ports, hasher=hasher))
    return issuer


def open_sync(**changes: Any) -> Issuer:
    issuer: Issuer = cheap(Issuer.open(settings(**changes), clock=lambda: NOW, monotonic=lambda: 0.0, background=False))
    return issuer


def open_async(**changes: Any) -> AsyncIssuer:
    issuer: AsyncIssuer = cheap(
        AsyncIssuer.open(settings(**changes), clock=lambda: NOW, monotonic=lambda: 0.0, background=False)
    )
    return issuer


def asgi_scope(sent: Sent) -> dict[str, Any]:
    path, _, query = sent.path.partition("?")
    return {
        "type": "http",
        "method": sent.method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": list(sent.headers),
        "http_version": sent.version,
        "scheme": "https",
        "client": ("192.0.2.7", 4711),
    }


def send_asgi(app: Any, sent: Sent) -> Answer:
    parts, messages = [sent.body], []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    asyncio.run(app(asgi_scope(sent), receive, send))
    start, *rest = messages
    return Answer(start["status"], tuple(start["headers"]), b"".join(each.get("body", b"") for each in rest))


def wsgi_environ(sent: Sent) -> dict[str, Any]:
    """Build what a WSGI server makes of a request: one text per name, joined by commas."""
    path, _, query = sent.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sent.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "RAW_URI": sent.path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{sent.version}",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(sent.body),
    }
    for name, value in sent.headers:
        key = name.decode().upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    if sent.body:
        environ.setdefault("CONTENT_LENGTH", str(len(sent.body)))
    setup_testing_defaults(defaults := dict(environ))
    return environ | {key: value for key, value in defaults.items() if key.startswith(("wsgi.", "SERVER_"))}


def send_wsgi(app: Any, sent: Sent) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        started.append((status, headers))
        return started.append  # type: ignore[return-value]

    chunks = app(wsgi_environ(sent), start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    ((status, headers),) = started
    return Answer(int(status[:3]), tuple((name.encode(), value.encode("latin-1")) for name, value in headers), body)


def asgi_application() -> Iterator[Send]:
    issuer = open_async()
    app = AsgiEndpoints(issuer)
    yield lambda sent: send_asgi(app, sent)
    issuer.parts.hasher.close()


def wsgi_application() -> Iterator[Send]:
    issuer = open_sync()
    app = validator(WsgiEndpoints(issuer))
    yield lambda sent: send_wsgi(app, sent)
    issuer.parts.hasher.close()


def serve_application() -> Iterator[Send]:
    issuer = open_async()
    app = build_app(issuer)
    yield lambda sent: send_asgi(app, sent)
    issuer.parts.hasher.close()


APPLICATIONS = {"asgi": asgi_application, "wsgi": wsgi_application, "serve": serve_application}

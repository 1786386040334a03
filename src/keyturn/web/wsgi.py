"""WSGI application of the endpoints (PEP 3333), for any WSGI server or framework, with limits on size and time.

A WSGI server gives the application one text per header name: it has joined repeated headers with commas, and a name
with a hyphen cannot be told from one with an underscore. docs/howto/mount-the-endpoints.md lists what a server must do.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from keyturn.errors import BadRequest, ConfigurationError, Refusal, RequestTimeout
from keyturn.flows import drive
from keyturn.web.application import EndpointsApplication, Exchange, IssuerLike
from keyturn.web.client_address import TrustedNetwork, client_address
from keyturn.web.config import DEFAULT_PREFIX
from keyturn.web.cors import origin_values
from keyturn.web.limits import (
    BODY_SECONDS,
    FLOW_SECONDS,
    MAX_BODY_BYTES,
    MAX_REQUESTS,
    check_body,
    check_content_length,
    check_headers,
    check_path,
    flow_timeout,
)
from keyturn.web.message import Header, Reply, Request
from keyturn.web.mount import RouteTarget
from keyturn.web.route import Route

if TYPE_CHECKING:
    from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

# A host and a bearer token hold no comma, so several values show. Cookies are never split: the value of a foreign
# cookie may hold a comma, and would then plant a cookie of ours (cookie tossing).
_JOINED = {b"host": re.compile(rb","), b"authorization": re.compile(rb",(?=[ \t]*bearer )", re.IGNORECASE)}
_CORS_KEYS = tuple(
    (name, f"HTTP_{name.decode().upper().replace('-', '_')}")
    for name in (b"origin", b"access-control-request-method", b"access-control-request-headers")
)
_CHUNK_BYTES = 4096


class WsgiEndpoints(EndpointsApplication):
    """WSGI application of an issuer's endpoints: ``/auth/...``, ``/.well-known/...``, ``/docs/errors``.

    Mount it at the root of the issuer's host, or at its prefix and once more at ``/.well-known``. ``issuer``: an
    ``Issuer``. ``observe``: called after each reply. ``prefix``: path of the endpoints below the issuer's URL.
    ``trusted_origins``: other origins whose pages may call, beside those of the issuer's settings.
    """

    def __init__(
        self,
        issuer: IssuerLike,
        observe: Callable[[Exchange], None] | None = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        trusted_origins: tuple[str, ...] = (),
    ) -> None:
        if hasattr(issuer, "ready"):
            raise ConfigurationError("WsgiEndpoints needs an Issuer; for an AsyncIssuer use AsgiEndpoints")
        super().__init__(issuer, observe, prefix=prefix, trusted_origins=trusted_origins)
        self._issuer = issuer
        self._slots = BoundedSemaphore(MAX_REQUESTS)
        self._process = os.getpid()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Handle one request."""
        return start_reply(self.answer(environ), start_response)

    def answer(self, environ: "WSGIEnvironment") -> Reply:
        """Return the reply to one request, for a framework that sends it."""
        started_at = time.perf_counter()
        method, target = environ["REQUEST_METHOD"], self._mount.target(*_split_path(environ))
        found, cors = self._find(method, target), cors_request_headers(environ)
        reply = self._preflight(method, cors) or self._reply_in_slot(environ, method, target, found)
        reply = self._with_cors(reply, origin_values(cors))
        self._record(method, found, reply, time.perf_counter() - started_at)
        return reply

    def _reply_in_slot(
        self, environ: "WSGIEnvironment", method: str, target: RouteTarget, found: Route | Refusal
    ) -> Reply:
        slots = self._slots_of_process()
        if not slots.acquire(blocking=False):
            return self._refuse_overload(method, target)
        try:
            return self._reply(environ, method, target, found)
        finally:
            slots.release()

    def _reply(self, environ: "WSGIEnvironment", method: str, target: RouteTarget, found: Route | Refusal) -> Reply:
        try:
            request = _read_request(environ, target.path, self._trusted)
            parts = self._issuer.parts
            flow = self._handle(request, *self._present(parts, target), found)
            return drive(flow, parts.ports, deadline(time.monotonic() + FLOW_SECONDS))
        except Refusal as refusal:
            return self._refuse(refusal, method, target)
        except Exception:
            return self._refuse_unexpected(method, target)

    def _slots_of_process(self) -> BoundedSemaphore:
        # A forked child would inherit slots that no thread of its own releases, and perhaps a lock that is held.
        if self._process != os.getpid():
            self._process, self._slots = os.getpid(), BoundedSemaphore(MAX_REQUESTS)
        return self._slots


def _split_path(environ: "WSGIEnvironment") -> tuple[str, str]:
    return environ.get("SCRIPT_NAME", "").rstrip("/"), environ.get("PATH_INFO", "")


def _read_request(environ: "WSGIEnvironment", path: str, trusted: Sequence[TrustedNetwork]) -> Request:
    """Read a request and its body. ``trusted``: networks of the proxies whose X-Forwarded-For counts.

    Raises ``NotFound``, ``HeadersTooLarge``, ``PayloadTooLarge``, ``RequestTimeout`` or ``BadRequest``.
    """
    headers = list(environ_headers(environ))
    # Neither name is of PEP 3333: gunicorn and Werkzeug set the first, uWSGI and mod_wsgi the second.
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    check_path(_octets(target.partition("?")[0]))
    check_headers(headers, environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"))
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=_read_body(environ),
        address=wsgi_client_address(environ, headers, trusted),
        scheme=environ["wsgi.url_scheme"],
    )


def cors_request_headers(environ: "WSGIEnvironment") -> list[Header]:
    """Return the request headers that CORS reads. A repeated Origin is joined, and so is no origin."""
    found = [(name, environ.get(key)) for name, key in _CORS_KEYS]
    return [(name, value.encode("latin-1", "replace")) for name, value in found if value is not None]


def wsgi_client_address(
    environ: "WSGIEnvironment", headers: Sequence[Header], trusted: Sequence[TrustedNetwork]
) -> str:
    """Return the address of the client of a request. ``trusted``: networks of the proxies that may report it."""
    return client_address(environ.get("REMOTE_ADDR", ""), _proxy_hops(environ, headers), trusted)


def _proxy_hops(environ: "WSGIEnvironment", headers: Sequence[Header]) -> list[bytes]:
    # wsgiref reads X_Forwarded_For as X-Forwarded-For. A proxy replaces only the latter, so a client could name its
    # own address (CWE-348). Other servers drop names with underscores.
    if environ.get("SERVER_SOFTWARE", "").startswith("WSGIServer/"):
        return []
    return [value for name, value in headers if name == b"x-forwarded-for"]


def environ_headers(environ: "WSGIEnvironment") -> Iterator[Header]:
    """Yield the headers of a request. Raises ``BadRequest`` for a text that is not Latin-1."""
    # wsgiref reads a missing Content-Type as text/plain. Browsers send a length with every form, of 0 bytes, too.
    is_guessed = environ.get("SERVER_SOFTWARE", "").startswith("WSGIServer/") and not environ.get("CONTENT_LENGTH")
    for key, text in environ.items():
        # HTTP_CONTENT_TYPE and HTTP_CONTENT_LENGTH are no headers of PEP 3333: a client would override the real ones.
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name, is_header = key, text != "" and not (is_guessed and text == "text/plain")
        else:
            name, is_header = key[5:], key.startswith("HTTP_") and key[5:] not in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if is_header:
            yield from _values(_octets(name.lower().replace("_", "-")), _octets(text))


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadRequest("the server handed on a text that is not Latin-1 (PEP 3333)") from None


def _values(name: bytes, value: bytes) -> list[Header]:
    comma = _JOINED.get(name)
    return [(name, value)] if comma is None else [(name, each) for each in comma.split(value)]


def _read_body(environ: "WSGIEnvironment") -> bytes:
    """Read the declared length, or up to the end where the server marks it, and never beyond the limit."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    has_end = bool(environ.get("wsgi.input_terminated"))
    if length and not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is not a number")
    if not has_end and "HTTP_TRANSFER_ENCODING" in environ:
        # The server hands the chunks on undecoded. To read them as a body is request smuggling (RFC 9112 section 11.2).
        raise BadRequest("a body in chunks", hint="Send the body with a Content-Length: this server reads no chunks.")
    check_content_length(length.encode())
    if not length and not has_end:
        return b""
    size = int(length.lstrip("0") or "0") if length else MAX_BODY_BYTES + 1
    body = b"".join(_chunks(environ["wsgi.input"], size))
    if length and len(body) < size:
        raise BadRequest("the client disconnected before the end of the body")
    check_body(body)
    return body


def _chunks(stream: "InputStream", size: int) -> Iterator[bytes]:
    # ``read1`` returns the bytes that have arrived, so that the deadline is checked while a client sends slowly.
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    give_up_at = time.monotonic() + BODY_SECONDS
    while size > 0:
        try:
            chunk = read(min(size, _CHUNK_BYTES))
        except TimeoutError:  # of the server's socket
            raise RequestTimeout("the server's time limit for the body") from None
        except OSError as error:
            raise BadRequest(f"the body cannot be read: {type(error).__name__}") from None
        if not chunk:
            return
        if time.monotonic() > give_up_at:
            raise RequestTimeout(f"the body took longer than {BODY_SECONDS:.0f} s")
        yield chunk
        size -= len(chunk)


def start_reply(reply: Reply, start_response: "StartResponse") -> Iterable[bytes]:
    """Start the response of a WSGI application, and return its body."""
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", text_headers(reply))
    return [reply.body]


def text_headers(reply: Reply) -> list[tuple[str, str]]:
    """Return the headers of a reply as PEP 3333 has them."""
    return [(name.decode(), value.decode("latin-1")) for name, value in reply.headers]


def deadline(give_up_at: float) -> Callable[[], None]:
    """Return a function that raises ``StoreUnavailable`` after ``give_up_at``, in monotonic seconds."""

    def check() -> None:
        if time.monotonic() > give_up_at:
            raise flow_timeout()

    return check

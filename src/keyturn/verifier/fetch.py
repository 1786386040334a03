"""One bounded HTTP exchange over the standard library: https only, no redirect, a size cap and a deadline."""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from keyturn.errors import ConfigurationError, TokenMalformed, Unavailable
from keyturn.tokens.encoding import decode_object
from keyturn.verifier.deadline import BoundedHandler, BoundedResponse, BoundedSecureHandler

FETCH_BYTES = 512 * 1024
FEED_BYTES = 2 * 1024 * 1024
"""Of one page of the feed: 1000 entries, a client's or a subject's name in each."""

FETCH_SECONDS = 5.0
_CHUNK = 64 * 1024
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1
_HINTS = {401: ": the service token is missing, or is not the issuer's"}
_PRINTABLE = re.compile(r"[!-~]+")

Document = TypeVar("Document")

Fetch = Callable[[Request], bytes]
"""Answers the body of a 200; raises ``Unavailable`` for anything else."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_names: Any) -> None:
        # A redirect would let whoever answers once choose where trust comes from (RFC 8414 section 6.2, SSRF).
        return None


_opener = build_opener(_NoRedirect, BoundedHandler, BoundedSecureHandler)


def require_secure(url: str) -> str:
    """``url``, if it is https, or http to this machine itself. Raises ``ConfigurationError``."""
    try:
        parts = urlsplit(url)
        host, scheme, user = parts.hostname or "", parts.scheme, parts.username
    except ValueError:
        host, scheme, user = "", "", None
    if user is not None or not _PRINTABLE.fullmatch(url or "-"):
        # Not quoted: what stands before the @ is a password, and a line break would end a line of the log (CWE-117).
        raise ConfigurationError("an https URL holds neither a user's name nor a space, nor anything but ASCII")
    if not host or not (scheme == "https" or (scheme == "http" and _is_local(host))):
        raise ConfigurationError(f"{url!r} must be an https URL (http only on this machine)")
    return url


def request(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Request:
    """A request for JSON. Raises ``ConfigurationError`` for an insecure ``url``."""
    # S310: require_secure lets no file: or custom scheme through.
    return Request(require_secure(url), body, {"Accept": "application/json", **(headers or {})})  # noqa: S310


def fetch(request: Request, seconds: float = FETCH_SECONDS, max_bytes: int = FETCH_BYTES) -> bytes:
    """Send ``asked`` and read the body of its 200. Raises ``Unavailable`` for every other outcome.

    ``seconds`` bounds the connecting, and then the whole answer: a server that drips cannot hold a thread.
    """
    with open_response(request, seconds) as response:
        return _read(request, response, max_bytes)


@contextmanager
def open_response(request: Request, seconds: float) -> Generator[BoundedResponse]:
    """The 200 to ``asked``, its body not yet read. ``seconds``: of ``response.deadline``. Raises ``Unavailable`` for
    every other outcome, of what is done with it, too."""
    try:
        with _opener.open(request, timeout=seconds) as response:
            if response.status != 200:
                raise Unavailable(f"{display_url(request)} answered {response.status}")
            yield response
    except HTTPError as error:
        error.close()
        raise Unavailable(f"{display_url(request)} answered {error.code}{_HINTS.get(error.code, '')}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"{display_url(request)}: {_explain(error)}") from error


def fetch_feed(request: Request, seconds: float) -> bytes:
    """``fetch``, of a page of the feed. ``seconds``: half of the staleness bound, so that after one question that was
    lost on the way there is time for another; a second at least, and no more than for anything else."""
    return fetch(request, min(FETCH_SECONDS, max(1.0, seconds)), FEED_BYTES)


def fetch_as(
    document_type: type[Document], request: Request, send: Fetch = fetch, max_bytes: int = FETCH_BYTES
) -> Document:
    """What ``asked`` is answered with, read as ``kind``. Raises ``Unavailable`` when it is none."""
    try:
        return msgspec.convert(decode_object(send(request), max_bytes=max_bytes), document_type)
    except (TokenMalformed, msgspec.ValidationError) as error:
        raise Unavailable(f"{display_url(request)}: {error}") from error


def bearer_header(token: str | None) -> dict[str, str]:
    """The Authorization header for ``token``, if there is one. Raises ``ConfigurationError`` for what can be none."""
    if token is None:
        return {}
    if not _TOKEN68.fullmatch(token):
        # Not quoted: it is a secret but for the line break that came with it out of a file.
        raise ConfigurationError("the service token holds what no token may: a space or a line break at its end, say")
    return {"Authorization": f"Bearer {token}"}


def display_url(request: Request) -> str:
    """What was asked, for people: without the query, which is another every time."""
    return request.full_url.partition("?")[0]


def _explain(error: Exception) -> str:
    """What ``error`` is, without what it quotes: headers we sent, or whatever the other side did."""
    cause = error.reason if isinstance(error, URLError) else error
    message = cause.strerror if isinstance(cause, OSError) else None
    return f"{type(cause).__name__}: {message}" if message else type(cause).__name__


def _read(request: Request, response: BoundedResponse, max_bytes: int) -> bytes:
    declared = response.headers["Content-Length"]
    remaining = max_bytes + 1 if declared is None else int(declared)
    body = bytearray()
    # read1 answers with what has come; read would wait for a whole chunk of a server that drips.
    while remaining > 0 and (chunk := response.read1(min(remaining, _CHUNK))):
        body += chunk
        remaining -= len(chunk)
        if len(body) > max_bytes:
            raise Unavailable(f"{display_url(request)} sent more than {max_bytes} bytes")
    if declared is not None and remaining:
        raise Unavailable(f"{display_url(request)} broke off")
    return bytes(body)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

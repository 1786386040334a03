"""HTTP requests with the standard library: https only, no redirects, a size limit and a deadline."""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from ipaddress import ip_address
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from keyturn.errors import ConfigurationError, TokenMalformed, Unavailable
from keyturn.tokens.encoding import decode_object
from keyturn.verifier.deadline import BoundedHandler, BoundedResponse, BoundedSecureHandler

FETCH_BYTES = 512 * 1024
FEED_BYTES = 2 * 1024 * 1024
"""Size limit for one page of the feed: 1000 entries, each with a client id or a subject."""

FETCH_SECONDS = 5.0
_CHUNK = 64 * 1024
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1
_HINTS = {401: ": the service token is missing or unknown to the issuer"}
_PRINTABLE = re.compile(r"[!-~]+")

Document = TypeVar("Document")

Fetch = Callable[[Request], bytes]
"""Sends a request and returns the body of the 200 response. Raises ``Unavailable`` for any other outcome."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object, **_names: object) -> None:
        # A redirect would let one forged response choose the source of trust (RFC 8414 section 6.2, SSRF).
        return None


_opener = build_opener(_NoRedirect, BoundedHandler, BoundedSecureHandler)
_direct_opener = build_opener(ProxyHandler({}), _NoRedirect, BoundedHandler, BoundedSecureHandler)
"""Ignores ``http_proxy``: a proxy would see the service token of a plain http issuer, and cannot reach its loopback."""


def require_secure(url: str) -> str:
    """Return ``url`` if it is https, or http to a loopback address. Raises ``ConfigurationError``."""
    try:
        parts = urlsplit(url)
        host, scheme, user = parts.hostname or "", parts.scheme, parts.username
    except ValueError:
        host, scheme, user = "", "", None
    if user is not None or not _PRINTABLE.fullmatch(url or "-"):
        # The URL is not quoted: the part before @ holds a password, and a line break would forge log lines (CWE-117).
        raise ConfigurationError("an https URL must be printable ASCII without spaces and without a user name")
    if not host or not (scheme == "https" or (scheme == "http" and _is_local(host))):
        raise ConfigurationError(f"{url!r} must be an https URL (http is allowed for a loopback address only)")
    return url


def request(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Request:
    """Build a request for JSON. Raises ``ConfigurationError`` for an insecure ``url``."""
    # S310: require_secure rejects file: and custom schemes.
    return Request(require_secure(url), body, {"Accept": "application/json", **(headers or {})})  # noqa: S310


def fetch(request: Request, seconds: float = FETCH_SECONDS, max_bytes: int = FETCH_BYTES) -> bytes:
    """Send ``request`` and return the body of the 200 response. Raises ``Unavailable`` for any other outcome.

    ``seconds`` limits the connect and, separately, the whole response: a slow server cannot block a thread.
    """
    with open_response(request, seconds) as response:
        return _read(request, response, max_bytes)


@contextmanager
def open_response(request: Request, seconds: float) -> Generator[BoundedResponse]:
    """Open ``request`` and yield the 200 response with its body unread.

    ``seconds``: time of ``response.deadline``. Raises ``Unavailable`` for any other outcome, and for I/O errors in the
    ``with`` block.
    """
    try:
        with _opener_for(request).open(request, timeout=seconds) as response:
            if response.status != 200:
                raise Unavailable(f"{display_url(request)} answered {response.status}")
            yield response
    except HTTPError as error:
        error.close()
        raise Unavailable(f"{display_url(request)} answered {error.code}{_HINTS.get(error.code, '')}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"{display_url(request)}: {_explain(error)}") from error


def fetch_feed(request: Request, seconds: float) -> bytes:
    """Fetch a page of the feed.

    ``seconds``: half of the staleness bound, so that there is time to retry one lost request. Limited to at least one
    second and at most ``FETCH_SECONDS``.
    """
    return fetch(request, min(FETCH_SECONDS, max(1.0, seconds)), FEED_BYTES)


def fetch_as(
    document_type: type[Document], request: Request, send: Fetch = fetch, max_bytes: int = FETCH_BYTES
) -> Document:
    """Send ``request`` and decode the JSON response as ``document_type``. Raises ``Unavailable``."""
    return decode_as(document_type, send(request), max_bytes, display_url(request))


def decode_as(document_type: type[Document], body: bytes, max_bytes: int, source: str) -> Document:
    """Decode the JSON object ``body`` of ``source`` as ``document_type``. Raises ``Unavailable``."""
    try:
        return msgspec.convert(decode_object(body, max_bytes=max_bytes), document_type)
    except (TokenMalformed, msgspec.ValidationError) as error:
        raise Unavailable(f"{source}: {error}") from error


def bearer_header(token: str | None) -> dict[str, str]:
    """Return the Authorization header for ``token``, empty for None.

    Raises ``ConfigurationError`` for a token with characters that RFC 6750 section 2.1 does not allow.
    """
    if token is None:
        return {}
    if not _TOKEN68.fullmatch(token):
        # The token is not quoted: it is a secret, often with just a line break left over from its file.
        raise ConfigurationError(
            "the service token contains a character that is not allowed, such as a space or a trailing line break"
        )
    return {"Authorization": f"Bearer {token}"}


def display_url(request: Request) -> str:
    """Return the URL of ``request`` for messages, without the query: it holds a nonce."""
    return request.full_url.partition("?")[0]


def _explain(error: Exception) -> str:
    """Describe ``error`` without its own message, which may quote request headers or the response."""
    cause = error.reason if isinstance(error, URLError) else error
    message = cause.strerror if isinstance(cause, OSError) else None
    return f"{type(cause).__name__}: {message}" if message else type(cause).__name__


def _read(request: Request, response: BoundedResponse, max_bytes: int) -> bytes:
    declared = response.headers["Content-Length"]
    remaining = max_bytes + 1 if declared is None else int(declared)
    body = bytearray()
    # read1 returns the bytes that have arrived; read would wait for a whole chunk from a slow server.
    while remaining > 0 and (chunk := response.read1(min(remaining, _CHUNK))):
        body += chunk
        remaining -= len(chunk)
        if len(body) > max_bytes:
            raise Unavailable(f"{display_url(request)} sent more than {max_bytes} bytes")
    if declared is not None and remaining:
        raise Unavailable(f"{display_url(request)}: the response broke off")
    return bytes(body)


def _opener_for(request: Request) -> OpenerDirector:
    return _direct_opener if _is_local(urlsplit(request.full_url).hostname or "") else _opener


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

"""Limits of one request, which hold under every server: its size, its time, and exactly one Host."""

from collections.abc import Sequence

from keyturn.errors import BadRequest, HeadersTooLarge, NotFound, PayloadTooLarge, StoreUnavailable
from keyturn.web.message import Header

MAX_BODY_BYTES = 16 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100

BODY_SECONDS = 10.0
"""Longest time to receive a body. A body that is sent slowly must not occupy a worker for ever (slowloris, CWE-400)."""

FLOW_SECONDS = 20.0
"""Longest time to answer a request that was read. A store that takes longer counts as unavailable."""

MAX_REQUESTS = 2000
"""Largest number of requests that one application handles at once."""


def flow_timeout() -> StoreUnavailable:
    """Build the refusal of a request that was not answered within ``FLOW_SECONDS``."""
    return StoreUnavailable(f"the request took longer than {FLOW_SECONDS:.0f} s")


def check_path(raw_path: bytes) -> None:
    """Raise ``NotFound`` for a path with an escape: no path of the API needs one.

    An escaped spelling would bypass path rules of a proxy (CWE-177).
    """
    if b"%" in raw_path:
        raise NotFound("the path contains %; no path of the API does")


def check_headers(headers: Sequence[Header], http_version: str) -> None:
    """Raise ``HeadersTooLarge``, or ``BadRequest`` unless there is one Host (RFC 9112 section 3.2).

    HTTP/1.0 knows no Host. With two, a proxy and this server may each read another one (cache poisoning).
    """
    check_guarded_headers(headers)
    if not has_one_host(headers, http_version):
        raise several_hosts()


def check_guarded_headers(headers: Sequence[Header]) -> None:
    """Raise ``HeadersTooLarge``, or ``BadRequest`` for several Hosts.

    For a route of an application. Its server decides if a Host is required: test clients and some proxies send none.
    """
    if len(headers) > MAX_HEADERS or sum([len(name) + len(value) for name, value in headers]) > MAX_HEAD_BYTES:
        raise HeadersTooLarge(
            hint=f"The request headers exceed the limit of {MAX_HEADERS} fields or {MAX_HEAD_BYTES} bytes."
        )
    if [name for name, _ in headers].count(b"host") > 1:
        raise several_hosts()


def has_one_host(headers: Sequence[Header], http_version: str) -> bool:
    """Return True for exactly one Host header, or for none in HTTP/1.0."""
    hosts = [name for name, _ in headers].count(b"host")
    return hosts == 1 or (hosts == 0 and http_version == "1.0")


def several_hosts() -> BadRequest:
    """Build the refusal of a request without exactly one Host."""
    return BadRequest("no Host header, or several", hint="Send exactly one Host header.")


def check_content_length(value: bytes) -> None:
    """Raise ``PayloadTooLarge`` for a declared body above the limit, before any of it is read."""
    # Leading zeros must not hide a length (CWE-400), and int() raises ValueError for thousands of digits.
    digits = value.lstrip(b"0")[:20] or b"0"
    if value.isdigit() and int(digits) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"Content-Length is {digits.decode()}; at most {MAX_BODY_BYTES} bytes are accepted")


def check_body(body: bytes) -> None:
    """Raise ``PayloadTooLarge`` for a body above the limit."""
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"the body exceeds {MAX_BODY_BYTES} bytes")

"""HTTP requests and replies as plain values, independent of any server or framework."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from keyturn.errors import BadRequest, Refusal
from keyturn.web.paths import encode_path, is_own_path

Header = tuple[bytes, bytes]
RedirectStatus: TypeAlias = Literal[302, 303]
"""Never 307: a browser would send the password of a form to the next page, too (RFC 9700 section 4.12)."""

NO_STORE: tuple[Header, ...] = ((b"cache-control", b"no-store"),)
"""Header that forbids caches to store the response of one caller (RFC 9111 section 5.2.2.5)."""

_OWN_URL = re.compile(r"https?://[^/\\]")
_NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """An HTTP request. Its ``repr`` shows no header, query or body, and so no credential.

    ``headers``: (lower-case name, value) as received; repeated headers are separate items.
    ``query``: raw, without ``?``. ``path``: percent-decoded.
    ``address``: IP address of the client, from proxy headers only where the server trusts the proxy.
    ``form_token``: hidden field ``csrf_token`` of the HTML form that the request is; None if it is none.
    """

    method: str
    path: str
    query: str = ""
    headers: Sequence[Header] = ()
    body: bytes = b""
    address: str = ""
    scheme: str = "https"
    form_token: str | None = None

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of the header ``name`` (lower case), in the order received."""
        # RFC 9110 section 5.5: white space around a value is no part of it. HTTP/2 servers pass it on.
        return [value.strip(b" \t") for each, value in self.headers if each == name]

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """An HTTP response.

    ``headers``: all of them, including Content-Length. ``refusal``: the refusal it reports, for logs and metrics.
    """

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    refusal: Refusal | None = None

    @classmethod
    def html(cls, body: bytes, headers: Sequence[Header] = NO_STORE, *, status: int = 200) -> "Reply":
        """Build a reply with an HTML page in UTF-8."""
        return cls(status, (*_framing("text/html; charset=utf-8", body), *headers), body)

    @classmethod
    def script(cls, body: bytes, headers: Sequence[Header]) -> "Reply":
        """Build a reply with a JavaScript module in UTF-8 (RFC 9239 section 6)."""
        return cls(200, (*_framing("text/javascript; charset=utf-8", body), *headers), body)

    @classmethod
    def file(cls, body: bytes, media_type: str, headers: Sequence[Header]) -> "Reply":
        """Build a reply with a file that is shipped with the package."""
        return cls(200, (*_framing(media_type, body), *headers), body)

    @classmethod
    def redirect(
        cls,
        location: str,
        status: RedirectStatus = 303,
        headers: Sequence[Header] = NO_STORE,
        *,
        is_own_url: bool = False,
    ) -> "Reply":
        """Build a redirect to a path of this origin. Raises ``BadRequest`` for any other location.

        ``is_own_url``: ``location`` is an absolute URL of the application's own configuration, never of a request.
        """
        return cls(status, (*_framing("text/plain", b""), (b"location", _encode(location, is_own_url)), *headers))

    def __repr__(self) -> str:
        return f"Reply({self.status})"


def json_reply(
    status: int,
    document: object,
    headers: Sequence[Header] = NO_STORE,
    *,
    media_type: str = "application/json",
    refusal: Refusal | None = None,
) -> Reply:
    """Encode ``document`` (a msgspec struct or plain JSON values) as a reply; ``headers`` default to ``NO_STORE``."""
    body = msgspec.json.encode(document)
    return Reply(status, (*_framing(media_type, body), *headers), body, refusal)


def without_body(reply: Reply) -> Reply:
    """Return the reply to HEAD: the headers of GET, including its Content-Length (RFC 9110 section 9.3.2)."""
    return Reply(reply.status, reply.headers, b"", reply.refusal)


def _encode(location: str, is_own_url: bool) -> bytes:
    """Return ``location`` as a URI in ASCII, which no header can be split by (CWE-113)."""
    is_known = _OWN_URL.match(location) and location.isprintable() if is_own_url else is_own_path(location)
    if not is_known:
        raise BadRequest("the location of a redirect is not a path of this site")
    return encode_path(location).encode()


def _framing(media_type: str, body: bytes) -> tuple[Header, ...]:
    return (b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), _NO_SNIFF

"""Request and Reply: HTTP as plain values, so that any server or framework can carry it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from keyturn.errors import Refusal

Header = tuple[bytes, bytes]

NO_STORE: tuple[Header, ...] = ((b"cache-control", b"no-store"),)
"""Whatever concerns one caller is kept by nobody else (RFC 9111 section 5.2.2.5)."""

_NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """``headers``: (lower-case name, value) as received, repeated ones apart. ``query``: raw, without ``?``.

    ``path`` is percent-decoded; ``address`` the peer's, as far as the server trusts it. Credentials are masked.
    """

    method: str
    path: str
    query: str = ""
    headers: Sequence[Header] = ()
    body: bytes = b""
    address: str = ""
    scheme: str = "https"

    def values(self, name: bytes) -> list[bytes]:
        """Every value received under the header ``name`` (lower case)."""
        return [value for each, value in self.headers if each == name]

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """``headers`` are complete, Content-Length included. ``refusal``: the "no" it says, for logs and metrics."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    refusal: Refusal | None = None

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
    """``document`` (a msgspec struct or plain JSON values) as a reply; not to be stored unless ``headers`` say so."""
    body = msgspec.json.encode(document)
    framing = ((b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), _NO_SNIFF)
    return Reply(status, (*framing, *headers), body, refusal)


def without_body(reply: Reply) -> Reply:
    """What HEAD answers: the headers of GET, its Content-Length too (RFC 9110 section 9.3.2)."""
    return Reply(reply.status, reply.headers, b"", reply.refusal)

"""Extraction of the credential from a request.

An Authorization header takes precedence over cookies. The query string is never read.
"""

import re
from dataclasses import dataclass
from typing import Literal

from keyturn.core.cookie import find_cookie
from keyturn.core.issuer_config import IssuerConfig
from keyturn.errors import BadRequest, TokenMalformed, Unauthenticated
from keyturn.web.message import Request

MAX_BEARER_CHARS = 8 * 1024 + 64
"""Longest accepted Authorization header, in bytes; no token issued by Keyturn is longer."""

CookieRole = Literal["session", "access", "refresh", "device"]

# RFC 9110 section 11.6.2 and RFC 6750 section 2.1: one scheme, in any case; one token; nothing else.
_SCHEME = re.compile(rb"bearer(?: |\Z)", re.IGNORECASE)
_BEARER = re.compile(rb"[A-Za-z]+ +([A-Za-z0-9._~+/-]+=*)")


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A presented credential, not yet verified.

    ``cookie``: it came in a cookie, which browsers attach to requests by themselves.
    """

    kind: Literal["session", "access"]
    text: str
    cookie: bool

    def __repr__(self) -> str:
        return f"Credential({self.kind}, cookie={self.cookie})"


def extract(request: Request, config: IssuerConfig) -> Credential | None:
    """Return the bearer token, else the session cookie, else the access cookie, else None.

    Raises ``BadRequest``, ``TokenMalformed`` or ``Unauthenticated``: an invalid bearer token never falls back to a
    cookie, and an invalid cookie never falls back to another one. A header of another scheme is not for Keyturn (a
    browser sends Basic to a staging site): it is refused only if there is no cookie.
    """
    session = access = None
    if not _has_bearer(request):
        session = read_cookie(request, "session", config)
        access = None if session is not None else read_cookie(request, "access", config)
    if session is not None:
        return Credential("session", session, cookie=True)
    if access is not None:
        return Credential("access", access, cookie=True)
    token = bearer_token(request)
    return None if token is None else Credential("access", token, cookie=False)


def _has_bearer(request: Request) -> bool:
    values = request.values(b"authorization")
    return len(values) > 1 or any(map(_SCHEME.match, values))


def bearer_token(request: Request) -> str | None:
    """Return the token of the Authorization header, or None if the header is missing.

    Raises ``BadRequest`` for several headers, ``Unauthenticated`` for another scheme, ``TokenMalformed`` if the value
    violates the syntax of a bearer token.
    """
    values = request.values(b"authorization")
    if not values:
        return None
    if len(values) > 1:
        # Two values: a proxy that reads the first and a server that reads the last authenticate different callers.
        raise BadRequest("more than one Authorization header")
    if not _SCHEME.match(values[0]):
        raise Unauthenticated(
            "an Authorization scheme other than Bearer",
            hint="Use the Bearer scheme (RFC 6750): send the header Authorization: Bearer, a space, and the token.",
        )
    shape = _BEARER.fullmatch(values[0]) if len(values[0]) <= MAX_BEARER_CHARS else None
    if shape is None:
        raise TokenMalformed("not one bearer token (RFC 6750 section 2.1)")
    return shape[1].decode()


def read_cookie(request: Request, role: CookieRole, config: IssuerConfig) -> str | None:
    """Return the value of the cookie for ``role``. Raises ``BadRequest`` for repeated, quoted and look-alike ones."""
    headers = request.values(b"cookie")
    return find_cookie(headers, config.profile.cookie.name(role)) if headers else None

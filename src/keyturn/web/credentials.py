"""Extraction of the credential from a request.

An Authorization header takes precedence over cookies. The query string is never read.
"""

import re
from dataclasses import dataclass
from typing import Literal

from keyturn.core.cookie import find_cookie
from keyturn.core.issuer_config import IssuerConfig
from keyturn.errors import BadRequest, HeadersTooLarge, TokenMalformed, Unauthenticated
from keyturn.web.message import Request

MAX_BEARER_CHARS = 8 * 1024 + 64
"""Longest accepted Authorization header, in bytes; no token issued by Keyturn is longer."""

CookieRole = Literal["session", "access", "refresh", "device", "form"]

LOGIN_COOKIES: tuple[CookieRole, ...] = ("session", "access", "refresh")
"""Cookies that may carry the credentials of a login; those of a device and of a form carry none."""

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
    cookie = None if has_bearer(request) else _extract_cookie(request, config)
    if cookie is not None:
        return cookie
    token = bearer_token(request)
    return None if token is None else Credential("access", token, cookie=False)


def extract_optional(request: Request, config: IssuerConfig) -> Credential | None:
    """Return the credential of a request that may be anonymous, else None.

    A malformed or repeated cookie and a header of another scheme count as none. Raises ``BadRequest`` or
    ``TokenMalformed`` for an invalid bearer token, ``HeadersTooLarge`` for cookies that are not read at all.
    """
    if has_bearer(request):
        return extract(request, config)
    try:
        return _extract_cookie(request, config)
    except HeadersTooLarge:
        raise
    except BadRequest:
        return None


def has_bearer(request: Request) -> bool:
    """Return True if the Authorization header is of the Bearer scheme, or is repeated."""
    values = request.values(b"authorization")
    return len(values) > 1 or any(map(_SCHEME.match, values))


def _extract_cookie(request: Request, config: IssuerConfig) -> Credential | None:
    session = read_cookie(request, "session", config)
    if session is not None:
        return Credential("session", session, cookie=True)
    access = read_cookie(request, "access", config)
    return None if access is None else Credential("access", access, cookie=True)


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
    """Return the value of the cookie for ``role``. Raises ``BadRequest`` for a repeated or malformed one."""
    headers = request.values(b"cookie")
    return find_cookie(headers, config.profile.cookie.name(role)) if headers else None

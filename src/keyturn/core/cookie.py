"""Cookies: a byte-exact reader of the Cookie header, and a Set-Cookie writer that is safe from injection.

A browser ties a ``__Host-`` cookie to one host by its exact name. A server that matches names less strictly than the
browser loses that protection. The reader therefore matches Keyturn's cookie by its exact bytes only. A cookie of any
other name, however similar, is ignored: a sibling host can set one, and must not be able to lock a user out with it.
The same name twice is refused. The reader never chooses between two values.

Sources: RFC 6265 sections 4.1, 4.2 and 5.4, RFC 6265bis section 4.1.3, RFC 9113 section 8.2.3.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from keyturn.errors import BadRequest, ConfigurationError, HeadersTooLarge

MAX_HEADER_BYTES = 16 * 1024
"""Limit for all Cookie headers of one request together, in bytes."""

MAX_AGE_SECONDS = 400 * 24 * 60 * 60
"""400 days in seconds. RFC 6265bis section 5.5: browsers keep no cookie longer."""

_VALUE = r"[A-Za-z0-9._-]+"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
# RFC 9110 section 5.5: CR, LF and NUL in a field value are an attack on a parser, this one or the application's.
_CONTROL = re.compile(rb"[\x00\r\n]")
_SIMPLE = re.compile(rb"[ !#-~]*")
_RFC2965 = re.compile(rb";[ \t]*\$")
_OPEN_QUOTE = re.compile(rb'[^=]*=[ \t]*"(?:[^"\\]|\\.)*\Z', re.DOTALL)


def find_cookie(headers: Sequence[bytes], name: str) -> str | None:
    """Return the value of the cookie ``name`` in these Cookie header values, or ``None``.

    A look-alike is another cookie and is ignored (other case, other or no prefix, quotes, tabs, control or non-ASCII
    bytes in the name). Raises ``BadRequest`` when the cookie appears twice (in one header or in several), is quoted, is
    outside the token alphabet, stands inside another cookie's quotes, or comes with RFC 2965 attributes such as
    ``$Version``. Raises ``HeadersTooLarge`` for more than 16 KiB of Cookie headers.
    """
    # RFC 9113 section 8.2.3: a cookie header split for compression is joined with "; " before it is read.
    header = headers[0] if len(headers) == 1 else b"; ".join(headers)
    if len(header) > MAX_HEADER_BYTES:
        raise HeadersTooLarge(
            f"Cookie headers of {len(header)} bytes",
            hint=f"Delete cookies of this site: they are {len(header)} bytes, and {MAX_HEADER_BYTES} at most are read.",
        )
    patterns = _patterns_for(name)
    if only_pair := patterns.pair.fullmatch(header):
        return only_pair[1].decode()
    if _SIMPLE.fullmatch(header) and not (b"$" in header and _RFC2965.search(b";" + header)):
        match = patterns.pair_in_list.search(header)
        rest = header[: match.start()] + header[match.end() :] if match else header
        if patterns.start not in rest:
            return match[1].decode() if match else None
    return _search(header, patterns)


class _CookiePatterns:
    """Compiled patterns for one cookie name. ``start``: the name and the equals sign, with which its pairs start."""

    __slots__ = ("hint", "pair", "pair_in_list", "start")

    def __init__(self, name: str) -> None:
        pair = f"{re.escape(name)}=({_VALUE})"
        self.start = f"{name}=".encode()
        self.hint = f"The cookie {name} was sent more than once; delete the cookies of this site and log in again."
        self.pair = re.compile(pair.encode())
        # RFC 6265 section 4.2.1 puts one space between pairs; hand-written clients send none, or several.
        self.pair_in_list = re.compile(rf"(?:\A|; *){pair}(?=;|\Z)".encode())


_patterns_for = lru_cache(maxsize=32)(_CookiePatterns)


def _search(header: bytes, patterns: _CookiePatterns) -> str | None:
    if _CONTROL.search(header):
        raise BadRequest("the Cookie header contains CR, LF or NUL")
    pieces = header.split(b";")
    found = [i for i, piece in enumerate(pieces) if piece.lstrip(b" ").startswith(patterns.start)]
    if not found:
        return None
    if len(found) > 1:
        # Cookie tossing: a sibling host can set a second cookie and choose which of the two comes first.
        raise BadRequest("the cookie appears more than once", hint=patterns.hint)
    if _RFC2965.search(b";" + header) or _is_inside_quotes(pieces[: found[0]], pieces[found[0] + 1 :]):
        raise BadRequest(
            "the cookie is inside another cookie's quotes, or comes with RFC 2965 attributes such as $Version"
        )
    piece = pieces[found[0]]
    return _value(piece.lstrip(b" ") if found[0] else piece, patterns)


def _is_inside_quotes(before: Sequence[bytes], after: Sequence[bytes]) -> bool:
    # The cookie sandwich: RFC 2109 parsers read a quoted value across semicolons.
    return any(b'"' in piece for piece in after) and any(_OPEN_QUOTE.match(piece) for piece in before)


def _value(piece: bytes, patterns: _CookiePatterns) -> str:
    match = patterns.pair.fullmatch(piece)
    if match is None:
        raise BadRequest("the value of the cookie is not one or more of A-Z a-z 0-9 . _ -, or a space precedes it")
    return match[1].decode()


def set_cookie(
    name: str,
    value: str,
    *,
    max_age_seconds: int | None = None,
    same_site: Literal["Lax", "Strict", "None"] = "Lax",
    secure: bool = True,
    path: str = "/",
    http_only: bool = True,
) -> str:
    """Build a Set-Cookie header value, never with a Domain.

    ``max_age_seconds``: ``None`` makes a cookie that lasts until the browser closes. Raises ``ConfigurationError`` for
    values that could inject an attribute or a header, and for cookies that a browser would drop: ``__Host-`` or
    ``__Secure-`` without Secure, ``__Host-`` with another path than ``/``, SameSite=None without Secure, an age of
    more than 400 days.
    """
    if not re.fullmatch(_VALUE, value):
        raise ConfigurationError("a cookie value must be one or more of A-Z a-z 0-9 . _ -")
    return _write(name, value, max_age_seconds, same_site, secure, path, http_only)


def clear_cookie(
    name: str,
    *,
    same_site: Literal["Lax", "Strict", "None"] = "Lax",
    secure: bool = True,
    path: str = "/",
    http_only: bool = True,
) -> str:
    """Build the Set-Cookie header value that deletes a cookie set with these arguments. Raises as ``set_cookie``."""
    return _write(name, "", 0, same_site, secure, path, http_only)


def _write(
    name: str, value: str, max_age_seconds: int | None, same_site: str, secure: bool, path: str, http_only: bool
) -> str:
    _check_attributes(name, max_age_seconds, same_site, path)
    _check_prefix(name, same_site, secure, path)
    parts = [f"{name}={value}", f"Path={path}"]
    if max_age_seconds is not None:
        parts.append(f"Max-Age={max_age_seconds}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    return "; ".join([*parts, f"SameSite={same_site}"])


def _check_attributes(name: str, max_age_seconds: int | None, same_site: str, path: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"a cookie name must be one or more of A-Z a-z 0-9 _ -, not {name!r}")
    if not _PATH.fullmatch(path):
        raise ConfigurationError(
            f"a cookie path must start with / and contain only A-Z a-z 0-9 . _ ~ / -, not {path!r}"
        )
    if same_site not in ("Lax", "Strict", "None"):
        raise ConfigurationError(f"same_site must be Lax, Strict or None, not {same_site!r}")
    if max_age_seconds is not None and not 0 <= max_age_seconds <= MAX_AGE_SECONDS:
        raise ConfigurationError(f"max_age_seconds must be between 0 and {MAX_AGE_SECONDS}, not {max_age_seconds}")


def _check_prefix(name: str, same_site: str, secure: bool, path: str) -> None:
    # Browsers compare prefixes case-insensitively (RFC 6265bis section 4.1.3).
    folded = name.lower()
    if folded.startswith(("__host-", "__secure-", "__http-")) and not secure:
        raise ConfigurationError(f"the cookie {name} must be Secure because of its prefix; set secure=True")
    if folded.startswith("__host-") and path != "/":
        raise ConfigurationError(f"the cookie {name} must have the path / because of its prefix, not {path!r}")
    if same_site == "None" and not secure:
        raise ConfigurationError(f"the cookie {name} has SameSite=None and must be Secure; set secure=True")

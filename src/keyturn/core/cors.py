"""Cross-origin resource sharing (CORS): decide which pages of other origins may read replies.

Only origins that are configured exactly get headers: never ``*``, and never ``null``, which is the origin of every
sandboxed frame and data: URL. A page of an http(s) origin may use the cookies. A page of an app shell (Capacitor,
Tauri, a browser extension) may send bearer tokens only: ``localhost`` in its origin is the host of every such app.

Sources: Fetch standard section 3.2; RFC 6454 section 6.2; Fetch Metadata is checked in ``core.csrf``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from keyturn.core.csrf import canonical_origin

_Header: TypeAlias = tuple[bytes, bytes]

ALLOW_ORIGIN = b"access-control-allow-origin"
EXPOSED_HEADERS = b"Allow, Retry-After, WWW-Authenticate, X-Request-Id"
"""Response headers that a page needs besides those that every page may read."""

PREFLIGHT_SECONDS = 600
"""Time for which a browser keeps the answer to a preflight. The reply itself is judged each time."""

MAX_REFLECTED_BYTES = 1024

_APP_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://[A-Za-z0-9._-]+(?::[0-9]{1,5})?")
# Schemes whose pages have the origin ``null``, and those that are a mistake for http(s).
_NOT_APP_SCHEMES = frozenset({"http", "https", "ws", "wss", "ftp", "file", "data", "blob", "about", "javascript"})
# RFC 9110 section 5.6.2.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD = re.compile(_TOKEN)
_NAMES = re.compile(rb"%b(?:[ \t]*,[ \t]*%b)*" % (_TOKEN, _TOKEN))
VARY: _Header = (b"vary", b"Origin")
_VARY_PREFLIGHT: _Header = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
_CREDENTIALS: _Header = (b"access-control-allow-credentials", b"true")


@dataclass(frozen=True, slots=True)
class TrustedOrigins:
    """Other origins whose pages may call. ``sites``: with cookies. ``apps``: with bearer tokens only."""

    sites: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()

    def without_cookies(self) -> "TrustedOrigins":
        """Return the same origins, all of them for bearer tokens only: a service that takes no cookies."""
        return TrustedOrigins(apps=self.sites | self.apps)


NO_ORIGINS: Final = TrustedOrigins()


def parse_origins(texts: Iterable[str]) -> TrustedOrigins:
    """Sort origins into http(s) origins and those of app shells, such as ``capacitor://localhost``.

    Raises ``ConfigurationError`` for a text that is neither, ``null`` and ``*`` included.
    """
    listed = tuple(texts)
    apps = frozenset(filter(_is_app_origin, listed))
    return TrustedOrigins(frozenset(canonical_origin(each) for each in listed if each not in apps), apps)


def is_from_app(origin: Sequence[bytes], trusted: TrustedOrigins) -> bool:
    """Return True for a request of a page of a trusted app shell. ``origin``: all values of the Origin header."""
    return bool(trusted.apps) and _match(origin) in trusted.apps


def is_preflight(method: str, headers: Iterable[_Header]) -> bool:
    """Return True for a CORS preflight, which carries no credential and must be answered without one.

    It is OPTIONS with exactly one Origin and one Access-Control-Request-Method. Any other OPTIONS is a request like
    every other. ``headers``: (lower-case name, value).
    """
    if method != "OPTIONS":
        return False
    found = [(name, value) for name, value in headers if name in (b"origin", b"access-control-request-method")]
    values = dict(found)
    asked = values.get(b"access-control-request-method", b"").strip(b" \t")
    return len(found) == len(values) == 2 and bool(values[b"origin"] and _METHOD.fullmatch(asked))


def cors_headers(origin: Sequence[bytes], trusted: TrustedOrigins) -> tuple[_Header, ...]:
    """Return the headers that let a page of a trusted origin read the reply; none for any other origin.

    A reply that a cache may store needs ``VARY`` without them, too.
    """
    allowed = _allow(origin, trusted)
    return (*allowed, (b"access-control-expose-headers", EXPOSED_HEADERS), VARY) if allowed else ()


def preflight_headers(
    headers: Sequence[_Header], trusted: TrustedOrigins, methods: bytes = b"", names: bytes = b""
) -> tuple[_Header, ...]:
    """Return the headers that answer a preflight, none if its origin is not trusted.

    ``headers``: those of a request for which ``is_preflight`` holds. ``methods`` and ``names``: allowed methods and
    request headers; the default are those that the preflight asks for, because the actual request is judged anyway.
    """
    asked = {name: value.strip(b" \t") for name, value in headers}
    allowed = _allow([asked[b"origin"]], trusted)
    if not allowed:
        return ()
    wanted = names or asked.get(b"access-control-request-headers", b"")
    if len(wanted) <= MAX_REFLECTED_BYTES and _NAMES.fullmatch(wanted):
        allowed = (*allowed, (b"access-control-allow-headers", wanted))
    accepted = (b"access-control-allow-methods", methods or asked[b"access-control-request-method"])
    return (*allowed, accepted, (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS), _VARY_PREFLIGHT)


def _allow(origin: Sequence[bytes], trusted: TrustedOrigins) -> tuple[_Header, ...]:
    source = _match(origin)
    if source in trusted.sites:
        return (ALLOW_ORIGIN, source.encode()), _CREDENTIALS
    return ((ALLOW_ORIGIN, source.encode()),) if source in trusted.apps else ()


def _match(origin: Sequence[bytes]) -> str:
    # Two Origin headers: a proxy may have judged the other one.
    return origin[0].strip(b" \t").decode("latin-1") if len(origin) == 1 else ""


def _is_app_origin(text: str) -> bool:
    shape = _APP_ORIGIN.fullmatch(text)
    return shape is not None and shape[1] not in _NOT_APP_SCHEMES

"""Cross-site request forgery: decide if an unsafe request may use the cookies it carries.

The rules are those of Go's ``net/http.CrossOriginProtection``: Fetch Metadata first, then Origin against Host for
older browsers. A request with neither header passes: no browser omits both on an unsafe request. The rules apply to
login too, because login CSRF needs no cookie. WebSocket handshakes are GET requests: check them as ``POST``.

Sources: W3C Fetch Metadata; RFC 6454 section 7; OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from keyturn.errors import ConfigurationError, CrossOrigin

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods of RFC 9110 section 9.2.1 without TRACE. Methods are case-sensitive: ``get`` is not safe."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://([^/?#@\\\s]+)", re.IGNORECASE)
# RFC 3986 section 3.2.2, without user information, percent-encoding and zone ids: what browsers send.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class _Authority:
    host: str
    port: int | None


def check_origin(
    method: str,
    *,
    sec_fetch_site: Sequence[bytes],
    origin: Sequence[bytes],
    host: Sequence[bytes],
    trusted_origins: Collection[str] = (),
    own_origin: str | None = None,
) -> None:
    """Raise ``CrossOrigin`` when a browser sent this request from another origin.

    ``sec_fetch_site``, ``origin``, ``host``: all values received for that header; a repeated or malformed header is
    refused. ``trusted_origins``: in the form that ``canonical_origin`` returns. ``own_origin``: the site's, if known: a
    proxy may replace the Host header.
    """
    if method in SAFE_METHODS:
        return
    site, source = _single_value(sec_fetch_site, "Sec-Fetch-Site"), _single_value(origin, "Origin")
    if site in ("same-origin", "none"):
        return
    if source is not None and _is_trusted(source, trusted_origins):
        return
    if site is not None:
        raise CrossOrigin(f"the Sec-Fetch-Site header is {site!r}")
    # A request without both headers comes from no browser, or from one too old to be protected this way.
    if source is not None and source != own_origin and not _is_same_host(source, _single_value(host, "Host")):
        raise CrossOrigin(f"the Origin header {source!r} does not match the Host header")


def is_token_required(method: str, *, credential_is_cookie: bool, csrf_token: bool) -> bool:
    """Return True if the request must also carry the session's CSRF token.

    ``csrf_token``: the setting of that name in ``CookiePolicy``. A bearer token needs no CSRF token: browsers never
    attach one automatically.
    """
    return csrf_token and credential_is_cookie and method not in SAFE_METHODS


def canonical_origin(text: str) -> str:
    """Serialize an origin as browsers do (RFC 6454 section 6.2): lower case, no default port, no path.

    Raises ``ConfigurationError`` for any text that is not one http(s) origin, ``null`` and ``*`` included.
    """
    serialized = _serialize_origin(text)
    if serialized is None:
        raise ConfigurationError(
            f"{text!r} is not an origin; write scheme, host and port only, such as https://app.example.com or "
            "capacitor://localhost"
        )
    return serialized


def origin_of(url: str) -> str | None:
    """Return the origin of a URL as browsers serialize it, or None if no browser would."""
    scheme, _, rest = url.partition("://")
    return _serialize_origin(f"{scheme}://{rest.partition('/')[0]}")


def _single_value(values: Sequence[bytes], header: str) -> str | None:
    if not values:
        return None
    if len(values) > 1 or not values[0].isascii():
        # A parser that takes the first of two values and one that takes the last decide differently.
        raise CrossOrigin(f"the {header} header is repeated or not ASCII")
    return values[0].decode()


def _is_trusted(source: str, trusted_origins: Collection[str]) -> bool:
    # "null" is the origin of every sandboxed frame and data: URL; _serialize_origin never returns it.
    return _serialize_origin(source) in trusted_origins


def _is_same_host(source: str, host: str | None) -> bool:
    # The scheme is unknown behind a TLS proxy, so http://host on port 80 matches a Host without port, as in Go.
    # Strict-Transport-Security closes that gap, and so does Sec-Fetch-Site in every browser since 2023.
    origin, requested = _ORIGIN.fullmatch(source), _parse_authority(host or "")
    authority = origin and _parse_authority(origin[2])
    if not (origin and authority and requested) or authority.host != requested.host:
        return False
    default = _DEFAULT_PORTS[origin[1].lower()]
    return (authority.port or default) == (requested.port or default)


def _serialize_origin(text: str) -> str | None:
    origin = _ORIGIN.fullmatch(text)
    authority = origin and _parse_authority(origin[2])
    if not (origin and authority):
        return None
    scheme = origin[1].lower()
    port = "" if authority.port in (None, _DEFAULT_PORTS[scheme]) else f":{authority.port}"
    return f"{scheme}://{authority.host}{port}"


def _parse_authority(text: str) -> _Authority | None:
    """Parse host and port; the host in canonical form. A trailing dot is kept: ``example.com.`` is another origin."""
    parts = _AUTHORITY.fullmatch(text)
    port = int(parts[2]) if parts and parts[2] else None
    if parts is None or (port is not None and not 1 <= port <= 65535):
        return None
    if not parts[1].startswith("["):
        return _Authority(parts[1].lower(), port)
    try:
        return _Authority(f"[{IPv6Address(parts[1][1:-1])}]", port)
    except ValueError:
        return None

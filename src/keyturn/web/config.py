"""Configuration of the HTTP endpoints of one server."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from keyturn.core.cors import NO_ORIGINS, TrustedOrigins, parse_origins
from keyturn.core.csrf import origin_of
from keyturn.core.issuer_config import IssuerConfig

DEFAULT_PREFIX = "/auth"
"""Prefix of the endpoints in the table of routes."""

DOCUMENTS = ("/openapi.json", "/docs/errors")
WELL_KNOWN = "/.well-known"
JWKS = WELL_KNOWN + "/jwks.json"
"""Key set. If the issuer's URL has a path, it is ``/jwks.json`` below the prefix: others may be on the same host."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Configuration of the HTTP endpoints, besides the issuer configuration. Build one with ``web_config``.

    ``origins``: other origins whose pages may call, as browsers serialize them.
    ``own_origin``: the issuer's, as browsers serialize it: a proxy may replace the Host header.
    ``service_digests``: SHA-256 of each service token, which resource servers send to read the feed and to introspect;
    more than one during a rollover.
    ``open_feed``: serve the revocation feed without authentication. The feed holds no credential but shows who logs out
    when. For development, where a verifier should need nothing but the issuer's URL.
    ``prefix``: path of the endpoints below the issuer's URL. ``documents``: the same of ``/docs/errors`` and
    ``/openapi.json``.
    """

    issuer_config: IssuerConfig
    origins: TrustedOrigins = NO_ORIGINS
    own_origin: str | None = None
    service_digests: tuple[bytes, ...] = field(default=(), repr=False)
    open_feed: bool = False
    prefix: str = DEFAULT_PREFIX
    documents: str = ""

    @property
    def error_page(self) -> str:
        """URL of the page that problem documents link to: built from the issuer, never from the Host header."""
        return error_page_of(self.issuer_config.issuer, self.documents)

    @property
    def issuer_path(self) -> str:
        """Path of the issuer's URL, without a slash at its end. Mostly empty."""
        return urlsplit(self.issuer_config.issuer).path.rstrip("/")

    def under(self, prefix: str, documents: str) -> "WebConfig":
        """Return this configuration for endpoints below ``prefix`` and documents below ``documents``."""
        return replace(self, prefix=prefix, documents=documents)

    def at(self, issuer_config: IssuerConfig) -> "WebConfig":
        """Return this configuration with the issuer configuration of the present moment."""
        return self if issuer_config is self.issuer_config else replace(self, issuer_config=issuer_config)

    def url(self, path: str) -> str:
        """Return the public URL of ``path``, which starts with a slash."""
        return self.issuer_config.issuer.rstrip("/") + path

    def route_url(self, path: str) -> str:
        """Return the public URL of a path in the table of routes."""
        if path.startswith(WELL_KNOWN) and not (path == JWKS and self.issuer_path):
            return self.url("").removesuffix(self.issuer_path) + path + self.issuer_path
        below = self.documents if path in DOCUMENTS else self.prefix
        return self.url(below + path.removeprefix(DEFAULT_PREFIX).removeprefix(WELL_KNOWN))


def error_page_of(issuer: str, documents: str = "") -> str:
    """Return the URL of the error page that ``issuer`` serves. ``documents``: as in ``WebConfig``."""
    return f"{issuer.rstrip('/')}{documents}/docs/errors"


def web_config(
    issuer_config: IssuerConfig,
    *,
    trusted_origins: Iterable[str] = (),
    service_digests: Iterable[bytes] = (),
    open_feed: bool = False,
) -> WebConfig:
    """Build a ``WebConfig``. Raises ``ConfigurationError`` if a trusted origin is not an origin."""
    return WebConfig(
        issuer_config,
        parse_origins(trusted_origins),
        origin_of(issuer_config.issuer),
        tuple(service_digests),
        open_feed,
    )


def service_digest(token: str) -> bytes:
    """Return the SHA-256 of a service token.

    Unsalted on purpose: the token is random, at least 128 bits (NIST SP 800-63B-4 section 3.1.2.2 on look-up secrets).
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

"""Site: what the endpoints of one server decide by, beside the realm."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from keyturn.core.csrf import canonical_origin
from keyturn.core.issuer_config import IssuerConfig


@dataclass(frozen=True, slots=True)
class WebConfig:
    """``trusted_origins``: other origins whose browser requests may act on our cookies, as browsers spell them.

    ``service_digests``: SHA-256 of each token that resource servers read the feed and introspect with; more than one
    while they roll over. ``open_feed``: anyone may read the revocation feed, which names no credential but tells who
    logs out when; for development, where a verifier should work from the issuer's URL alone. Build one with ``site``.
    """

    realm: IssuerConfig
    trusted_origins: frozenset[str] = frozenset()
    service_digests: tuple[bytes, ...] = field(default=(), repr=False)
    open_feed: bool = False

    def url(self, path: str) -> str:
        """The public address of ``path``, which starts with a slash."""
        return self.realm.issuer.rstrip("/") + path


def web_config(
    realm: IssuerConfig,
    *,
    trusted_origins: Iterable[str] = (),
    service_digests: Iterable[bytes] = (),
    open_feed: bool = False,
) -> WebConfig:
    """A site with its origins checked. Raises ``ConfigurationError`` for what is no origin."""
    return WebConfig(realm, frozenset(map(canonical_origin, trusted_origins)), tuple(service_digests), open_feed)


def service_digest(token: str) -> bytes:
    """What is kept of a service token. Unsalted on purpose: the token is random, at least 128 bits (NIST SP 800-63B-4
    section 3.1.2.2 on look-up secrets)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

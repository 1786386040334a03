"""Issuer configuration: name, secrets and policies of one issuer. Immutable while the issuer runs."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from keyturn.core.policy import BROWSER, DELIVERIES, Credentials, Deliver, Profile
from keyturn.core.sealed import Secrets
from keyturn.errors import ConfigurationError, CredentialsNotOffered


@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """Name, secrets and policies of one issuer.

    ``issuer``: its URL (``iss``). ``audience``: the resource servers of its access tokens (``aud``), and those that
    ``resource`` selects from. Raises ``ConfigurationError`` for an unusable URL or an empty audience.
    """

    issuer: str
    audience: tuple[str, ...]
    secrets: Secrets
    profile: Profile = BROWSER
    credentials: Credentials = "hybrid"

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        # RFC 8414 section 2: an issuer has no query and no fragment.
        is_issuer_url = parts.netloc and not parts.query and not parts.fragment
        # ``iss`` is readable in every token: credentials in it would be published. A URL with a space never matches.
        if parts.scheme not in ("http", "https") or not is_issuer_url or "@" in parts.netloc or " " in self.issuer:
            raise ConfigurationError(
                f"issuer must be an http(s) URL without query, fragment, user or space, not {self.issuer!r}"
            )
        if not self.audience or not all(self.audience):
            raise ConfigurationError("audience must name at least one resource server")

    def resolve_delivery(self, requested: Deliver | None) -> Deliver:
        """Return the delivery to use. Raises ``CredentialsNotOffered`` for one that ``credentials`` does not allow."""
        offered = DELIVERIES[self.credentials]
        if requested is None:
            return offered[0]
        if requested not in offered:
            raise CredentialsNotOffered(f"{requested} under credentials={self.credentials}", offered=offered)
        return requested

"""Issuer configuration: name, secrets and policies of one issuer. Immutable while the issuer runs."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from keyturn.core.account import normalise_identifier
from keyturn.core.policy import ACCEPTED, BROWSER, DELIVERIES, Credentials, Deliver, FormDeliver, Profile
from keyturn.core.principal import CredentialType
from keyturn.core.sealed import Secrets
from keyturn.errors import ClockUncertain, ConfigurationError, CredentialsNotOffered, TokenInvalid

_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


def is_plain_path(path: str) -> bool:
    """Return True for an empty path, or one with a single spelling: no escape, no dot segment, no slash at its end."""
    return _PLAIN_PATH.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """Name, secrets and policies of one issuer.

    ``issuer``: its URL (``iss``). ``audience``: the resource servers of its access tokens (``aud``), and those that
    ``resource`` selects from. ``has_own_accounts``: the application keeps the accounts, and chooses their subjects.
    ``normalise_identifier``: returns the spelling of an identifier under which an account is found.
    Raises ``ConfigurationError`` for an unusable URL or an empty audience.
    """

    issuer: str
    audience: tuple[str, ...]
    secrets: Secrets
    profile: Profile = BROWSER
    credentials: Credentials = "hybrid"
    accepted_credentials: Credentials = "hybrid"
    has_own_accounts: bool = False
    normalise_identifier: Callable[[str], str] = field(default=normalise_identifier, repr=False)

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
        if self.accepted_credentials not in ("hybrid", self.credentials):
            raise ConfigurationError(
                f"accepted_credentials must be hybrid or {self.credentials}: with {self.accepted_credentials}, "
                "credentials that a login issues would be refused"
            )

    @property
    def clock_gap_seconds(self) -> int:
        """Seconds between two clocks while they disagree, else 0."""
        return self.profile.session.clock_gap_seconds

    def require_clocks(self) -> None:
        """Raise ``ClockUncertain`` if a session or a token that is issued now would not be valid by both clocks."""
        policy = self.profile
        if self.clock_gap_seconds >= min(policy.token.access_seconds, policy.session.inactivity_seconds):
            raise ClockUncertain(f"two clocks differ by {self.clock_gap_seconds} s: nothing can be issued")

    def require_clocks_for_rotation(self) -> None:
        """Raise ``ClockUncertain`` as ``require_clocks``, and if a retry within the grace window could not be told."""
        self.require_clocks()
        if self.clock_gap_seconds > self.profile.session.grace_seconds:
            raise ClockUncertain(f"two clocks differ by {self.clock_gap_seconds} s, more than the grace window")

    def under_doubt(self, gap_seconds: int, lead_seconds: int) -> "IssuerConfig":
        """Return this configuration for a moment at which clocks disagree: see ``SessionPolicy``."""
        session = replace(self.profile.session, clock_gap_seconds=gap_seconds, clock_lead_seconds=lead_seconds)
        return replace(self, profile=replace(self.profile, session=session))

    @property
    def form_delivery(self) -> FormDeliver:
        """Delivery of an HTML form that names none."""
        return "cookie" if "cookie" in DELIVERIES[self.credentials] else "token-cookies"

    def require_accepted(self, credential: CredentialType) -> None:
        """Raise ``TokenInvalid`` for a type of credential that ``accepted_credentials`` leaves out."""
        if credential not in ACCEPTED[self.accepted_credentials]:
            raise TokenInvalid(f"accepted_credentials is {self.accepted_credentials}")

    def resolve_delivery(self, requested: Deliver | None) -> Deliver:
        """Return the delivery to use. Raises ``CredentialsNotOffered`` for one that ``credentials`` does not allow."""
        offered = DELIVERIES[self.credentials]
        if requested is None:
            return offered[0]
        if requested not in offered:
            raise CredentialsNotOffered(f"{requested} under credentials={self.credentials}", offered=offered)
        return requested

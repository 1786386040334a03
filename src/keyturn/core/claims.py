"""Access token claims (RFC 9068): build them from a session, check them on verification."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from keyturn.core.audience import granted_audience, select_audience
from keyturn.core.immutable import EMPTY, freeze
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.principal import Principal
from keyturn.core.session import Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import ClockUncertain, TokenExpired, TokenInvalid, TokenNotYetValid

ACCESS_TYPE = "at+jwt"
"""``typ`` of access tokens. RFC 9068 section 2.1: other JWTs of the same issuer cannot be used as access tokens."""

RESERVED_CLAIMS = frozenset(
    (
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "sid",
        "gen",
        "scope",
        "auth_time",
        "acr",
        "amr",
        "aud_limited",
        "rot",
    )
)
"""Claims that only Keyturn sets. The payload guard refuses them in an application's own claims."""


_FACTORS = (
    frozenset(("pwd", "pin", "kba")),
    frozenset(("otp", "hwk", "swk", "pop", "sc", "sms", "tel")),
    frozenset(("face", "fpt", "iris", "retina", "vbm")),
)
"""Authentication methods (RFC 8176 section 2) by factor: knowledge, possession, biometric."""


class AccessClaims(Protocol):
    """The claims of an access token, decoded. Attribute names are the claim names."""

    @property
    def iss(self) -> str: ...
    @property
    def sub(self) -> Subject: ...
    @property
    def aud(self) -> str | Collection[str]: ...
    @property
    def exp(self) -> Instant: ...
    @property
    def iat(self) -> Instant: ...
    @property
    def nbf(self) -> int: ...
    @property
    def client_id(self) -> str: ...
    @property
    def sid(self) -> SessionId: ...
    @property
    def gen(self) -> int: ...
    @property
    def scope(self) -> str: ...
    @property
    def auth_time(self) -> Instant: ...
    @property
    def acr(self) -> str: ...
    @property
    def amr(self) -> Iterable[str]: ...
    @property
    def aud_limited(self) -> bool: ...
    @property
    def rot(self) -> int | None: ...
    @property
    def own_claims(self) -> Mapping[str, object]:
        """The claims that the application set: those without a name in ``RESERVED_CLAIMS``. Immutable."""
        ...


def build_claims(
    session: Session, jti: str, now: Instant, config: IssuerConfig, resource: Sequence[str] | None = None
) -> dict[str, object]:
    """Build the claims of a new access token of ``session``; ``exp`` never exceeds the session's overall timeout.

    ``resource``: narrows ``aud``. Raises ``InvalidTarget`` if it is not granted.
    """
    issued_at = max(now, session.created_at)
    policy = config.profile
    overall_end = session.created_at + policy.session.overall_seconds
    audience = select_audience(resource, granted_audience(session, config))
    claims: dict[str, object] = {
        **session.claims,
        "iss": config.issuer,
        "sub": session.subject,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "exp": min(issued_at + policy.token.access_seconds, overall_end),
        "iat": issued_at,
        "jti": jti,
        "client_id": session.client.client_id,
        "sid": session.sid,
        "gen": session.generation,
        "scope": session.scope,
        "auth_time": session.auth_time,
        "acr": acr_for(session.amr),
        "amr": list(session.amr),
        # Without it, a token for one service could not be told from one that was issued before a name was added.
        "aud_limited": audience != config.audience,
    }
    claims.pop("rot", None)  # an application's own, of a session from before the name was reserved
    if policy.session.lost_response_seconds:
        # Tells the issuer with which refresh token this token was issued; a time could not, on clocks that differ.
        claims["rot"] = session.rotations
    # Present only when not empty (RFC 9068 sections 2.2.1 and 2.2.3). The session's own claims of these names are
    # overwritten above, so that they never appear.
    for name in ("scope", "amr", "aud_limited"):
        if not claims[name]:
            del claims[name]
    return claims


def acr_for(amr: Collection[str]) -> str:
    """Return the ``acr`` for authentication methods: ``aal2`` for two different kinds of factor, else ``aal1``.

    Source: NIST SP 800-63B-4 section 2.2. Two memorised secrets count as one factor. ``mfa``, ``user``, ``geo`` and
    names that RFC 8176 does not list count as none.
    """
    factors = sum(not kind.isdisjoint(amr) for kind in _FACTORS)
    return "aal2" if factors > 1 else "aal1"


def check_issuer(claims: AccessClaims, issuer: str) -> None:
    """Raise ``TokenInvalid`` unless ``iss`` is exactly ``issuer`` (RFC 9068 section 4)."""
    if claims.iss != issuer:
        raise TokenInvalid(f"iss is not {issuer!r}")


def check_audience(claims: AccessClaims, accepted: frozenset[str]) -> None:
    """Raise ``TokenInvalid`` unless ``aud`` contains a name of ``accepted`` (RFC 8725 section 3.9)."""
    names = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if accepted.isdisjoint(names):
        raise TokenInvalid(f"aud does not contain {' or '.join(map(repr, sorted(accepted)))}")


def check_times(claims: AccessClaims, now: float, leeway_seconds: int, clock_gap_seconds: float = 0) -> None:
    """Raise ``TokenExpired`` or ``TokenNotYetValid``; ``leeway_seconds`` allows for clock skew only.

    ``clock_gap_seconds``: positive while two clocks disagree, of which ``now`` is the earlier. A token that is not
    valid by both then raises ``ClockUncertain``.
    """
    expired = now + clock_gap_seconds >= claims.exp + leeway_seconds
    early = max(claims.nbf, claims.iat) > now + leeway_seconds
    if clock_gap_seconds and (expired or early):
        raise ClockUncertain(f"two clocks differ by {clock_gap_seconds:.0f} s, and the token is not valid by both")
    if expired:
        raise TokenExpired("exp has passed")
    if early:
        raise TokenNotYetValid("nbf or iat is in the future")


def principal_from_claims(claims: AccessClaims) -> Principal:
    """Return the principal that these already checked claims describe."""
    # Positional arguments: this runs once per new token, and they are faster than keyword arguments.
    return Principal(
        claims.sub,
        claims.sid,
        claims.client_id,
        "access",
        claims.auth_time,
        claims.exp,
        tuple(claims.amr),
        claims.acr,
        tuple(claims.scope.split()),
        claims.gen,
        claims.iat,
        claims.own_claims,
    )


def application_claims(claims: Mapping[str, object]) -> Mapping[str, object]:
    """Return the claims that the application set, as an immutable copy, without the names in ``RESERVED_CLAIMS``."""
    own = {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS}
    return freeze(own) if own else EMPTY

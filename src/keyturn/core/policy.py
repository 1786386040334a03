"""Policies: immutable, validated settings, and named profiles with their sources."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from keyturn.errors import ConfigurationError

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

COOKIE_PREFIX = "kt_"
"""Default prefix of the names of Keyturn's cookies."""

HOST_PREFIX = "__Host-"
"""Prefix of the names of cookies that only this host can set, over TLS (RFC 6265bis section 4.1.3)."""

# The first letter keeps out __Host- and __Secure-, which follow from the scheme.
_COOKIE_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")

Credentials = Literal["session", "jwt", "hybrid"]
Deliver = Literal["cookie", "tokens", "both", "token-cookies"]
FormDeliver = Literal["cookie", "token-cookies"]
"""Deliveries of an HTML form. Its answer is a redirect, which has no body for tokens."""

RepeatAction = Literal["end", "step_up"]
SessionLimitAction = Literal["end_oldest", "refuse"]

MAX_SESSION_LIMIT = 500
"""Highest limit of sessions per account, well below the number of sessions that a store lists."""

DELIVERIES: dict[Credentials, tuple[Deliver, ...]] = {
    "session": ("cookie",),
    "jwt": ("tokens", "token-cookies"),
    "hybrid": ("cookie", "tokens", "both", "token-cookies"),
}
"""Deliveries allowed for each value of ``credentials``; the first is the default."""

ACCEPTED: dict[Credentials, tuple[str, ...]] = {
    "session": ("session",),
    "jwt": ("access",),
    "hybrid": ("session", "access"),
}
"""Types of the credentials of a request, ``Principal.credential``, for each value of ``accepted_credentials``."""


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ConfigurationError(problem)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Timeouts of a session, in seconds.

    Raises ``ConfigurationError`` when ``inactivity_seconds`` is below 60 or above ``overall_seconds``, and when
    ``grace_seconds`` (grace window of refresh tokens) is outside 0 to 300.

    ``lost_response_seconds``: for this time after a rotation, 0 to 86400, the previous refresh token is still answered
    if no credential issued by the rotation has been presented. 0 turns it off.
    ``repeat_limit``: number of consecutive refresh tokens that may be issued more than once, less one; 0 for any
    number. ``repeat_action``: consequence of reaching it, and of the third answer after the grace window.
    ``session_limit``: most live sessions of one account, 0 to 500; 0 for any number. ``session_limit_action``:
    consequence of one login more: the oldest session ends, or the login is refused.
    ``clock_gap_seconds``: no setting; positive only while clocks disagree. Every timeout then counts by the latest one,
    and is refused as ``ClockUncertain``, because it proves nothing. ``clock_lead_seconds``: the best estimate of the
    time minus the earliest clock; uses are dated by it.
    """

    inactivity_seconds: int
    overall_seconds: int
    grace_seconds: int = 30
    lost_response_seconds: int = 0
    repeat_limit: int = 0
    repeat_action: RepeatAction = "end"
    session_limit: int = 0
    session_limit_action: SessionLimitAction = "end_oldest"
    clock_gap_seconds: int = 0
    clock_lead_seconds: int = 0

    def __post_init__(self) -> None:
        _require(self.inactivity_seconds >= MINUTE, "inactivity_seconds must be at least 60")
        _require(self.overall_seconds >= self.inactivity_seconds, "overall_seconds must be at least inactivity_seconds")
        # RFC 9700 section 4.14.2: a long grace window is a replay window.
        _require(0 <= self.grace_seconds <= 5 * MINUTE, "grace_seconds must be between 0 and 300")
        _require(0 <= self.lost_response_seconds <= DAY, "lost_response_seconds must be between 0 and 86400")
        _require(0 <= self.repeat_limit <= 1000, "repeat_limit must be between 0 and 1000")
        _require(self.repeat_action in get_args(RepeatAction), "repeat_action must be end or step_up")
        limits = f"session_limit must be between 0 and {MAX_SESSION_LIMIT}"
        _require(0 <= self.session_limit <= MAX_SESSION_LIMIT, limits)
        actions = get_args(SessionLimitAction)
        _require(self.session_limit_action in actions, "session_limit_action must be end_oldest or refuse")

    @property
    def touch_seconds(self) -> int:
        """Shortest time between two writes of ``last_seen_at``, so that most reads do not write.

        A session may therefore time out up to this many seconds early, never late.
        """
        return min(MINUTE, self.inactivity_seconds // 10)


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Access tokens (RFC 9068), signing keys, and the bound within which every verifier knows of a revocation."""

    access_seconds: int = 10 * MINUTE
    algorithm: str = "RS256"
    leeway_seconds: int = 5
    staleness_seconds: int = 5
    rollover_seconds: int = 30 * DAY
    publish_seconds: int = DAY

    def __post_init__(self) -> None:
        _require(MINUTE <= self.access_seconds <= DAY, "access_seconds must be between 60 and 86400")
        _require(
            0 <= self.leeway_seconds <= MINUTE,
            "leeway_seconds must be between 0 and 60 (for clock skew only)",
        )
        _require(1 <= self.staleness_seconds <= 5 * MINUTE, "staleness_seconds must be between 1 and 300")
        _require(self.publish_seconds > 0, "publish_seconds must be positive")
        _require(
            self.rollover_seconds > self.publish_seconds,
            f"rollover_seconds must be more than publish_seconds ({self.publish_seconds})",
        )

    @property
    def retired_seconds(self) -> int:
        """Retention of a retired signing key or a revocation: every token it applies to has expired by then.

        At least an hour, so that lowering ``access_seconds`` from any value up to an hour does not revive a revoked
        token that was issued under the earlier policy.
        """
        return max(self.access_seconds, HOUR) + 2 * self.leeway_seconds + self.staleness_seconds


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """Names and attributes of Keyturn's cookies.

    RFC 6265bis section 4.1.3: ``__Host-`` ties a cookie to one host, over TLS, with ``Path=/``.
    ``prefix``: start of every name, after ``__Host-``. Browsers keep one cookie jar per host, whatever the port: two
    issuers on one host need two prefixes. Raises ``ConfigurationError`` for an unusable one.
    """

    secure: bool = True
    same_site: Literal["Lax", "Strict"] = "Lax"
    csrf_token: bool = False
    prefix: str = COOKIE_PREFIX

    def __post_init__(self) -> None:
        _require(
            _COOKIE_PREFIX.fullmatch(self.prefix) is not None,
            "prefix must be 1 to 32 characters of A-Z, a-z, 0-9, _ and -, the first a letter; with an https issuer, "
            f"{HOST_PREFIX} is put in front of it; not {self.prefix!r}",
        )

    def name(self, role: str) -> str:
        """Return the cookie name of ``role`` (session, access, refresh, device, form); ``__Host-`` if ``secure``."""
        return f"{HOST_PREFIX}{self.prefix}{role}" if self.secure else f"{self.prefix}{role}"

    @property
    def former_name_starts(self) -> tuple[str, ...]:
        """Starts of the names that the cookies had over the other scheme, or before the prefix was set."""
        starts = (f"{host}{prefix}" for prefix in (self.prefix, COOKIE_PREFIX) for host in (HOST_PREFIX, ""))
        return tuple(each for each in dict.fromkeys(starts) if each != self.name(""))


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """Failed logins per account, address and device, and signups per address, allowed per window.

    NIST SP 800-63B-4 section 3.2.2 asks for this rate. Its cap of 100 consecutive failures is not implemented as a
    lockout: any attacker could lock the owner out (see the conformance page).
    """

    account_limit: int = 10
    address_limit: int = 60
    device_limit: int = 10
    signup_limit: int = 300
    window_seconds: int = 15 * MINUTE

    def __post_init__(self) -> None:
        _require(1 <= self.account_limit <= 100, "account_limit must be between 1 and 100")
        _require(self.address_limit >= 1, "address_limit must be positive")
        _require(self.device_limit >= 1, "device_limit must be positive")
        _require(self.signup_limit >= 1, "signup_limit must be positive")
        _require(self.window_seconds >= MINUTE, "window_seconds must be at least 60")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Allowed length of a password, in code points.

    NIST SP 800-63B-4 section 3.1.1.2: 15 characters as the only factor, 8 with a second factor; no composition rules.
    """

    minimum: int = 15
    maximum: int = 256

    def __post_init__(self) -> None:
        _require(self.minimum >= 8, "minimum must be at least 8 characters (NIST SP 800-63B-4 3.1.1.2)")
        _require(self.maximum >= 64, "maximum must be at least 64 characters (NIST SP 800-63B-4 3.1.1.2)")
        _require(self.minimum <= self.maximum, f"minimum must be at most {self.maximum}, the maximum")


@dataclass(frozen=True, slots=True)
class Profile:
    """Named set of policies. Raises ``ConfigurationError`` when an access token would outlive an idle session."""

    name: str
    session: SessionPolicy
    token: TokenPolicy = field(default_factory=TokenPolicy)
    cookie: CookiePolicy = field(default_factory=CookiePolicy)
    throttle: ThrottlePolicy = field(default_factory=ThrottlePolicy)
    password: PasswordPolicy = field(default_factory=PasswordPolicy)

    def __post_init__(self) -> None:
        # The record of an idle session is purged: a token that outlives its record can no longer be revoked.
        idle = self.session.inactivity_seconds
        _require(self.token.access_seconds <= idle, f"access_seconds must be at most inactivity_seconds ({idle})")


BROWSER = Profile("browser", SessionPolicy(7 * DAY, 30 * DAY))
"""NIST SP 800-63B-4 section 2.1.3 (AAL1): reauthentication at least every 30 days."""

BROWSER_STRICT = Profile(
    "browser-strict",
    SessionPolicy(30 * MINUTE, 12 * HOUR, grace_seconds=10),
    TokenPolicy(access_seconds=5 * MINUTE),
    CookiePolicy(same_site="Strict", csrf_token=True),
)
"""OWASP Session Management Cheat Sheet: 15 to 30 minutes idle, 4 to 12 hours in all; a CSRF token on every write."""

MOBILE = Profile("mobile", SessionPolicy(30 * DAY, 90 * DAY, grace_seconds=60, lost_response_seconds=DAY))
"""RFC 8252 and RFC 9700 section 4.14: long-lived native apps with rotating refresh tokens.

The grace window is longer because mobile networks lose responses, and an app may be away for hours after one. The
overall timeout exceeds NIST's AAL1 recommendation because phones have a screen lock of their own."""

NIST_AAL2 = Profile(
    "nist-aal2",
    SessionPolicy(HOUR, DAY),
    TokenPolicy(access_seconds=5 * MINUTE),
    CookiePolicy(csrf_token=True),
)
"""NIST SP 800-63B-4 section 2.2.3 (AAL2): 1 hour of inactivity, 24 hours overall."""

BANKING = Profile(
    "banking",
    SessionPolicy(5 * MINUTE, 8 * HOUR, grace_seconds=10),
    TokenPolicy(access_seconds=2 * MINUTE, staleness_seconds=2),
    CookiePolicy(same_site="Strict", csrf_token=True),
    ThrottlePolicy(account_limit=5, device_limit=5),
)
"""PSD2 RTS (EU 2018/389) article 4(3): 5 minutes of inactivity, at most 5 failed attempts."""

PROFILES = {each.name: each for each in (BROWSER, BROWSER_STRICT, MOBILE, NIST_AAL2, BANKING)}

"""Construction of the issuer configuration from settings. All problems are reported at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from keyturn.config.settings import Settings, split_list
from keyturn.core.issuer_config import IssuerConfig, is_plain_path
from keyturn.core.policy import PROFILES, CookiePolicy, Profile
from keyturn.core.sealed import Secrets
from keyturn.errors import ConfigurationError
from keyturn.tokens import ALGORITHMS

_P = TypeVar("_P")

FIELDS: Mapping[str, str] = {
    "access_token_seconds": "access_seconds",
    "revocation_staleness_seconds": "staleness_seconds",
    "key_lifetime_seconds": "rollover_seconds",
    "key_publish_ahead_seconds": "publish_seconds",
    "algorithm": "algorithm",
    "refresh_grace_seconds": "grace_seconds",
    "refresh_lost_response_seconds": "lost_response_seconds",
    "refresh_repeat_limit": "repeat_limit",
    "refresh_repeat_action": "repeat_action",
    "session_limit_per_account": "session_limit",
    "session_limit_action": "session_limit_action",
    "login_limit_per_account": "account_limit",
    "login_limit_per_address": "address_limit",
    "signup_limit_per_address": "signup_limit",
    "password_min_length": "minimum",
    "cookie_prefix": "prefix",
}
"""Settings that override a field of a profile's policies, each with the name of the field."""

_SESSION = (
    "refresh_grace_seconds",
    "refresh_lost_response_seconds",
    "refresh_repeat_limit",
    "refresh_repeat_action",
    "session_limit_per_account",
    "session_limit_action",
)
_TOKEN = ("access_token_seconds", "revocation_staleness_seconds", "key_lifetime_seconds", "key_publish_ahead_seconds")
_THROTTLE = ("login_limit_per_account", "login_limit_per_address", "signup_limit_per_address")


def build_issuer_config(settings: Settings) -> IssuerConfig:
    """Build the issuer configuration. Raises ``ConfigurationError`` with every problem of the settings."""
    problems: list[str] = []
    parts = urlsplit(settings.issuer)
    if not is_plain_path(parts.path.removesuffix("/")):
        # An escape has several spellings: the endpoints refuse them all.
        problems.append(f"the path of issuer {settings.issuer!r} may have letters, digits and . _ ~ - only")
    if settings.algorithm and settings.algorithm not in ALGORITHMS:
        # Without this check the error would appear only when the next key is created, a rollover later.
        problems.append(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {settings.algorithm!r}")
    secrets = _try(lambda: build_secrets(settings), problems)
    profile = _try(lambda: build_profile(settings), problems)
    if problems or secrets is None or profile is None:
        raise ConfigurationError(*problems)
    audience = tuple(dict.fromkeys(split_list(settings.audience)))
    return IssuerConfig(
        settings.issuer, audience, secrets, profile, settings.credentials, settings.accepted_credentials
    )


def build_secrets(settings: Settings) -> Secrets:
    """Build the secrets: the current one, and the previous one during a rollover."""
    previous = (settings.secret_previous,) if settings.secret_previous else ()
    return Secrets(*(each.encode() for each in (settings.secret, *previous)))


def build_profile(settings: Settings) -> Profile:
    """Build the profile with its overrides. Cookies are ``Secure`` unless the issuer's URL is plain http."""
    profile = PROFILES.get(settings.profile)
    if profile is None:
        raise ConfigurationError(f"profile must be one of {', '.join(PROFILES)}, not {settings.profile!r}")
    builders: dict[str, Callable[[], object]] = {
        "session": lambda: _override(profile.session, settings, *_SESSION, unset=-1),
        "token": lambda: _override(profile.token, settings, *_TOKEN, "algorithm"),
        "throttle": lambda: _override(profile.throttle, settings, *_THROTTLE),
        "password": lambda: _override(profile.password, settings, "password_min_length"),
        "cookie": lambda: _cookie(profile.cookie, settings),
    }
    problems: list[str] = []
    policies = {name: _try(build, problems) for name, build in builders.items()}
    if problems:
        raise ConfigurationError(*problems)
    try:
        return replace(profile, **policies)  # type: ignore[arg-type]  # each part has the type of the one it replaces
    except ConfigurationError as failure:
        raise ConfigurationError(*(_name_settings(each, tuple(FIELDS)) for each in failure.problems)) from None


def _cookie(policy: CookiePolicy, settings: Settings) -> CookiePolicy:
    # Over plain http a client drops Secure cookies. Production refuses such an issuer.
    secure = urlsplit(settings.issuer).scheme == "https"
    return _override(replace(policy, secure=secure), settings, "cookie_prefix")


def _override(policy: _P, settings: Settings, *names: str, unset: int = 0) -> _P:
    overrides = {FIELDS[name]: value for name in names if (value := getattr(settings, name)) not in (unset, "")}
    try:
        return replace(policy, **overrides)  # type: ignore[type-var]  # every policy is a dataclass
    except ConfigurationError as failure:
        # Policies report their field names: replace them by the names of the settings.
        raise ConfigurationError(*(_name_settings(each, names) for each in failure.problems)) from None


def _name_settings(problem: str, names: Sequence[str]) -> str:
    for name in names:
        problem = problem.replace(f"{FIELDS[name]} ", f"{name} ")
    return problem


def _try(build: Callable[[], _P], problems: list[str]) -> _P | None:
    try:
        return build()
    except ConfigurationError as failure:
        problems.extend(failure.problems)
        return None

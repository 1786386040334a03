"""From settings to a realm: policies by name, single figures overridden, everything that is wrong said at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from keyturn.compose.settings import Settings, split_list
from keyturn.core.policy import PROFILES, CookiePolicy, Profile
from keyturn.core.realm import IssuerConfig
from keyturn.core.sealed import Secrets
from keyturn.errors import ConfigurationError
from keyturn.tokens import ALGORITHMS

P = TypeVar("P")

TOKEN_FIGURES = ("access_seconds", "staleness_seconds", "rollover_seconds", "publish_seconds", "algorithm")


def build_issuer_config(settings: Settings) -> IssuerConfig:
    """Raises ``ConfigurationError`` with every problem of the settings."""
    problems: list[str] = []
    if urlsplit(settings.issuer).path not in ("", "/"):
        # RFC 8414 section 3.1 puts such an issuer's metadata where this server does not serve it.
        problems.append(f"issuer {settings.issuer!r} has a path; serve Keyturn at the root of a host of its own")
    if settings.algorithm and settings.algorithm not in ALGORITHMS:
        # It would be noticed when the next key is made: a rollover later.
        problems.append(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {settings.algorithm!r}")
    secrets = _try(lambda: build_secrets(settings), problems)
    profile = _try(lambda: build_profile(settings), problems)
    if problems or secrets is None or profile is None:
        raise ConfigurationError(*problems)
    return IssuerConfig(settings.issuer, split_list(settings.audience), secrets, profile, settings.credentials)


def build_secrets(settings: Settings) -> Secrets:
    """The current secret, and the previous one while it rolls over."""
    previous = (settings.secret_previous,) if settings.secret_previous else ()
    return Secrets(*(each.encode() for each in (settings.secret, *previous)))


def build_profile(settings: Settings) -> Profile:
    """The named profile with single figures overridden; cookies without TLS only where the issuer has none."""
    profile = PROFILES.get(settings.profile)
    if profile is None:
        raise ConfigurationError(f"policy must be one of {', '.join(PROFILES)}, not {settings.profile!r}")
    parts: dict[str, Callable[[], object]] = {
        "session": lambda: _with(profile.session, settings, "grace_seconds", unset=-1),
        "token": lambda: _with(profile.token, settings, *TOKEN_FIGURES),
        "throttle": lambda: _with(profile.throttle, settings, "account_limit", "address_limit", "signup_limit"),
        "password": lambda: replace(profile.password, minimum=settings.password_min_length or profile.password.minimum),
        "cookie": lambda: _cookie(profile.cookie, settings),
    }
    problems: list[str] = []
    built = {name: _try(build, problems) for name, build in parts.items()}
    if problems:
        raise ConfigurationError(*problems)
    return replace(profile, **built)  # type: ignore[arg-type]  # each part has the type of the one it replaces


def _cookie(policy: CookiePolicy, settings: Settings) -> CookiePolicy:
    # Over plain http a Secure cookie is dropped by the client; a production profile refuses such an issuer.
    return replace(policy, secure=urlsplit(settings.issuer).scheme == "https")


def _with(policy: P, settings: Settings, *names: str, unset: int = 0) -> P:
    given = {name: getattr(settings, name) for name in names}
    return replace(policy, **{name: value for name, value in given.items() if value not in (unset, "")})  # type: ignore[type-var]  # every policy is a dataclass


def _try(build: Callable[[], P], problems: list[str]) -> P | None:
    try:
        return build()
    except ConfigurationError as failure:
        problems.extend(failure.problems)
        return None

"""Settings of an operator, read from the environment and from ``keyturn.toml``, and validated."""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec

from keyturn.core.policy import COOKIE_PREFIX, PROFILES, Credentials, RepeatAction, SessionLimitAction
from keyturn.errors import ConfigurationError

PREFIX = "KEYTURN_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. The environment variable of a setting is ``KEYTURN_`` and its name in capitals.

    If omitted, ``secret``, ``service_token`` and ``store`` are created in ``data_dir`` (never in production).
    """

    data_dir: str = "keyturn-data"
    environment: Literal["development", "production"] = "development"
    issuer: str = ""
    audience: str = ""
    store: str = ""
    store_connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    session_store: str = ""
    redis_min_replicas: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    quarantine_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 10
    redis_cache: str = ""
    secret: str = ""
    secret_previous: str = ""
    service_token: str = ""
    profile: str = "browser"
    credentials: Credentials = "hybrid"
    accepted_credentials: Credentials = "hybrid"
    algorithm: str = ""
    cookie_prefix: str = COOKIE_PREFIX
    trusted_origins: str = ""
    trusted_proxies: str = ""
    access_token_seconds: int = 0
    revocation_staleness_seconds: int = 0
    key_lifetime_seconds: int = 0
    key_publish_ahead_seconds: int = 0
    refresh_grace_seconds: int = -1
    refresh_lost_response_seconds: int = -1
    refresh_repeat_limit: int = -1
    refresh_repeat_action: RepeatAction = "end"
    session_limit_per_account: int = -1
    session_limit_action: SessionLimitAction = "end_oldest"
    password_min_length: int = 0
    login_limit_per_account: int = 0
    login_limit_per_address: int = 0
    signup_limit_per_address: int = 0
    hash_threads: int = 0
    hash_queue: int = 64
    pages: Literal["on", "off"] = "on"
    pages_product: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "Keyturn"
    pages_folder: str = ""
    audit_retention_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 400

    def __repr__(self) -> str:
        return f"Settings(environment={self.environment!r}, issuer={self.issuer!r}, profile={self.profile!r})"

    @property
    def folder(self) -> Path:
        """``data_dir`` as a path."""
        return Path(self.data_dir)


def read_settings(environ: Mapping[str, str] | None = None, **explicit: object) -> Settings:
    """Read settings from ``keyturn.toml`` in the data directory, the environment and ``explicit``; the last one wins.

    ``environ`` defaults to the process's. Raises ``ConfigurationError`` with every unknown name and invalid value.
    """
    source = os.environ if environ is None else environ
    problems: list[str] = []
    overrides = {name: value for name, value in explicit.items() if value is not None}
    from_environ = _read_environment(source, problems)
    data_dir = str(overrides.get("data_dir") or from_environ.get("data_dir") or Settings().data_dir)
    return _validate({**_read_toml(Path(data_dir) / "keyturn.toml", problems), **from_environ, **overrides}, problems)


def split_list(text: str) -> tuple[str, ...]:
    """Split a comma-separated setting."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


FORMER_NAMES: Mapping[str, str] = {
    "policy": "profile",
    "data": "data_dir",
    "sessions": "session_store",
    "redis": "redis_cache",
    "durable_replicas": "redis_min_replicas",
    "access_seconds": "access_token_seconds",
    "grace_seconds": "refresh_grace_seconds",
    "staleness_seconds": "revocation_staleness_seconds",
    "rollover_seconds": "key_lifetime_seconds",
    "publish_seconds": "key_publish_ahead_seconds",
    "account_limit": "login_limit_per_account",
    "address_limit": "login_limit_per_address",
    "signup_limit": "signup_limit_per_address",
    "password_minimum": "password_min_length",
    "audit_days": "audit_retention_days",
}
"""Names of settings before November 2026, each with its present name."""

_ENVIRONMENTS = ("development", "production")


def _read_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    names = set(Settings.__struct_fields__)
    values = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    values = {name: value for name, value in values.items() if value}
    for name in [each for each in values if each.removesuffix("_file") in names and each.endswith("_file")]:
        base, path = name.removesuffix("_file"), Path(values.pop(name))
        if base in values:
            problems.append(f"{PREFIX}{base.upper()} and {PREFIX}{name.upper()} are both set; unset one of them")
        values[base] = _read_file(path, problems)
    # A misspelt security setting must not be silently ignored.
    problems += [_unknown_message(name, f"{PREFIX}{name.upper()}", PREFIX) for name in values if name not in names]
    return {name: value for name, value in values.items() if name in names}


def _unknown_message(name: str, display_name: str, prefix: str = "") -> str:
    """Return the message that ``name`` is not a setting, with the present name of a renamed one."""
    stem = name.removesuffix("_file")
    if stem not in FORMER_NAMES:
        return f"{display_name} is not a setting{_suggestion(stem, prefix)}"
    new_name = FORMER_NAMES[stem] + name[len(stem) :]
    return f"{display_name} is now {prefix}{new_name.upper() if prefix else new_name}"


def _suggestion(stem: str, prefix: str) -> str:
    """Return the most similar name of a setting as a question, or nothing if none is similar."""
    similar = get_close_matches(stem, (*Settings.__struct_fields__, *FORMER_NAMES), n=1)
    if not similar:
        return ""
    name = FORMER_NAMES.get(similar[0], similar[0])
    return f"; did you mean {prefix}{name.upper() if prefix else name}?"


def _read_file(path: Path, problems: list[str]) -> str:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as failure:
        problems.append(f"{path} cannot be read: {getattr(failure, 'strerror', None) or failure}")
        return ""
    if not text:
        # If an empty file counted as absent, another secret than the operator's would be generated.
        problems.append(f"{path} is empty")
    return text


def _read_toml(path: Path, problems: list[str]) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text()) if path.exists() else {}
    except OSError as failure:
        problems.append(f"{path} cannot be read: {failure.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        problems.append(f"{path} is not valid TOML: {failure}")
        return {}


def _validate(values: Mapping[str, object], problems: list[str]) -> Settings:
    # Until November 2026, ``profile`` chose what ``environment`` chooses now.
    if values.get("profile") in _ENVIRONMENTS:
        environment = values["profile"]
        problems.append(
            f"profile={environment} is now environment={environment} ({PREFIX}ENVIRONMENT={environment}); "
            f"profile is one of {', '.join(PROFILES)}"
        )
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as failure:
            problems.append(_invalid(name, value, failure))
    if problems:
        raise ConfigurationError(*problems)
    return msgspec.convert(values, Settings, strict=False)


def _invalid(name: str, value: object, failure: msgspec.ValidationError) -> str:
    kinds = get_type_hints(Settings)
    if name not in kinds:
        return f"{_unknown_message(name, name)} (keyturn.toml)"
    if get_origin(kinds[name]) is Literal:
        return f"{name} must be one of {', '.join(get_args(kinds[name]))}, not {value!r}"
    return f"setting {name}: {str(failure).removesuffix(f' - at `$.{name}`')}"

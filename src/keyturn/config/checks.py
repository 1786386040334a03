"""Checks of the settings in production, which report every generated, weak or missing setting at once."""

from urllib.parse import urlsplit

from keyturn.config.issuer_config import build_profile
from keyturn.config.settings import Settings, split_list
from keyturn.errors import ConfigurationError
from keyturn.tokens import secret_problem

MAKE_SECRET = "make one with: openssl rand -hex 32"  # noqa: S105 - advice, not a secret


def check_production(settings: Settings) -> None:
    """Raise ``ConfigurationError`` listing every reason why the settings are unfit for production."""
    problems = [*_secrets(settings), *_names(settings), *_store(settings), *_policy(settings)]
    if problems:
        raise ConfigurationError(*problems)


def _secrets(settings: Settings) -> list[str]:
    problems: list[str] = []
    tokens = split_list(settings.service_token)
    variables = {"SECRET": (settings.secret,) if settings.secret else (), "SERVICE_TOKEN": tokens}
    for name, values in variables.items():
        if not values:
            problems.append(f"KEYTURN_{name} (or KEYTURN_{name}_FILE) is missing; {MAKE_SECRET}")
        problems.extend(each for value in values for each in _weak(f"KEYTURN_{name}", value))
    if settings.secret and settings.secret in tokens:
        problems.append("KEYTURN_SERVICE_TOKEN equals KEYTURN_SECRET; a reader of the feed could forge credentials")
    if settings.secret_previous:
        problems.extend(_weak("KEYTURN_SECRET_PREVIOUS", settings.secret_previous))
    if settings.secret and settings.secret == settings.secret_previous:
        problems.append("KEYTURN_SECRET_PREVIOUS equals KEYTURN_SECRET; unset it except during a rollover")
    return problems


def _weak(variable: str, value: str) -> list[str]:
    problem = secret_problem(value.encode(), 32)
    return [f"{variable} is weak: {problem}; {MAKE_SECRET}"] if problem else []


def _names(settings: Settings) -> list[str]:
    problems: list[str] = []
    if not settings.issuer:
        problems.append("KEYTURN_ISSUER is missing; it is this server's public https URL")
    elif urlsplit(settings.issuer).scheme != "https":
        problems.append("KEYTURN_ISSUER must be https: credentials travel with every request")
    if not split_list(settings.audience):
        problems.append("KEYTURN_AUDIENCE is missing; name the resource servers the access tokens are for")
    return problems


def _store(settings: Settings) -> list[str]:
    if not settings.store:
        return ["KEYTURN_STORE is missing; for example sqlite:////var/lib/keyturn/keyturn.db"]
    if settings.store.startswith("memory:"):
        return ["KEYTURN_STORE is memory: every login would be lost on restart"]
    return []


def _policy(settings: Settings) -> tuple[str, ...]:
    try:
        build_profile(settings)
    except ConfigurationError as error:
        return error.problems
    return ()

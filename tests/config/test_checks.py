"""Production settings must be complete, strong and configured. All problems are reported together."""

import pytest

from keyturn.config.checks import check_production
from keyturn.config.settings import Settings
from keyturn.errors import ConfigurationError

SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
TOKEN = "9216d5d98979fb1bd1310ba698dfb5ac2ffd72dbd01adfb7b8e1afed6a267e96"
GOOD = {
    "environment": "production",
    "secret": SECRET,
    "service_token": TOKEN,
    "issuer": "https://auth.example.com",
    "audience": "orders",
    "store": "sqlite:////var/lib/keyturn/keyturn.db",
}


def problems(**changes: object) -> tuple[str, ...]:
    try:
        check_production(Settings(**{**GOOD, **changes}))  # type: ignore[arg-type]
    except ConfigurationError as refused:
        return refused.problems
    return ()


def test_complete_production_settings_are_accepted() -> None:
    assert problems() == ()
    assert problems(service_token=f"{TOKEN},{TOKEN[::-1]}", secret_previous=SECRET[::-1]) == ()


def test_every_missing_production_setting_is_listed() -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_production(Settings(environment="production", profile="relaxed"))
    said = refused.value.problems
    for name in (
        "KEYTURN_SECRET",
        "KEYTURN_SERVICE_TOKEN",
        "KEYTURN_ISSUER",
        "KEYTURN_AUDIENCE",
        "KEYTURN_STORE",
        "profile",
    ):
        assert sum(each.startswith(name) for each in said) == 1, name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret": "changeme" * 4}, "KEYTURN_SECRET is weak"),
        ({"secret": "a" * 64}, "KEYTURN_SECRET is weak"),
        ({"secret": "short"}, "KEYTURN_SECRET is weak"),
        ({"service_token": "password" * 5}, "KEYTURN_SERVICE_TOKEN is weak"),
        ({"service_token": f"{TOKEN},short"}, "KEYTURN_SERVICE_TOKEN is weak"),
        ({"service_token": f"{TOKEN},{SECRET}"}, "KEYTURN_SERVICE_TOKEN equals KEYTURN_SECRET"),
        ({"secret_previous": "a" * 64}, "KEYTURN_SECRET_PREVIOUS is weak"),
        ({"secret_previous": SECRET}, "KEYTURN_SECRET_PREVIOUS equals"),
        ({"issuer": "http://auth.example.com"}, "KEYTURN_ISSUER must be https"),
        ({"audience": " , "}, "KEYTURN_AUDIENCE is missing"),
        ({"store": "memory:"}, "KEYTURN_STORE is memory"),
        ({"access_token_seconds": 5}, "access_token_seconds"),
    ],
)
def test_a_weak_production_setting_is_refused(changes: dict[str, object], words: str) -> None:
    (said,) = problems(**changes)
    assert said.startswith(words)
    for value in changes.values():
        # A problem is shown and logged: it never quotes the secret it is about.
        assert not isinstance(value, str) or len(value) < 20 or value not in said

"""A database that cannot be opened says why: in our words, for a driver's may hold a piece of the password."""

import pytest

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.open import open_store
from services.postgres import Postgres

PIECE = "pa@ss/word"


def invalid_urls(server: Postgres) -> dict[str, tuple[str, str]]:
    url = server.url()
    return {
        "password": (url.replace(server.password, "another"), "rejects this user with this password"),
        "user": (url.replace("//postgres:", "//nobody:"), "rejects this user with this password"),
        "database": (server.url("nowhere"), "no such database"),
        "port": (url.replace(str(server.port), "1"), "nothing listens"),
        "host": (url.replace("127.0.0.1", "no.such.host.invalid"), "has no address"),
        "unescaped password": (url.replace(server.password, PIECE), "in a password, write @ as %40"),
        "tls": (f"{url}?sslmode=require", "does not support TLS"),
    }


@pytest.mark.parametrize("mistake", ["password", "user", "database", "port", "host", "unescaped password", "tls"])
def test_a_failed_connection_names_its_cause(postgres: Postgres, mistake: str) -> None:
    url, log_text = invalid_urls(postgres)[mistake]
    with pytest.raises(StoreUnavailable) as caught:
        open_store(url)
    assert log_text in str(caught.value)
    assert "KEYTURN_STORE" in str(caught.value)
    for secret in (postgres.password, "ss/word", "another"):
        assert secret not in str(caught.value)


def test_an_unknown_parameter_is_named_and_a_piece_of_a_password_is_not(postgres: Postgres) -> None:
    with pytest.raises(ConfigurationError, match=r"has no parameter sslmod$"):
        open_store(f"{postgres.url()}?sslmode=disable&sslmod=require")
    with pytest.raises(ConfigurationError) as caught:
        open_store(f"{postgres.url()}?umb=rella@elsewhere")
    assert "umb" not in str(caught.value)

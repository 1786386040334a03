import pytest

from keyturn.errors import ConfigurationError
from keyturn.stores.open import open_store
from keyturn.stores.sql.address import read_sql_address

SEVERAL = "postgresql://ada:hunter2@one:1111,two:2222/keyturn?application_name=keyturn"


def test_other_databases_are_none_of_its_business() -> None:
    assert read_sql_address("sqlite:////var/lib/keyturn/keyturn.db") is None
    assert read_sql_address("postgresql") is None


@pytest.mark.parametrize(
    ("scheme", "asyncpg"),
    [("postgresql", True), ("postgres", True), ("postgresql+asyncpg", True), ("postgresql+psycopg", False)],
)
def test_the_url_scheme_selects_the_driver(scheme: str, asyncpg: bool) -> None:
    address = read_sql_address(f"{scheme}://db/keyturn")
    assert address is not None
    assert address.asyncpg is asyncpg


def test_its_repr_masks_the_password() -> None:
    address = read_sql_address(SEVERAL)
    assert repr(address) == "Address('postgresql://ada:***@one:1111,two:2222/keyturn')"


def test_each_server_is_asked_for_itself() -> None:
    address = read_sql_address(SEVERAL)
    assert address is not None
    assert [(place["host"], place["port"]) for place in address.hosts] == [("one", "1111"), ("two", "2222")]
    first, second = address.asyncpg_urls()
    assert "host=one&port=1111" in first
    assert "host=two&port=2222" in second


def test_one_port_serves_all_hosts() -> None:
    address = read_sql_address("postgresql://one,two/keyturn?port=7777")
    assert address is not None
    assert [place["port"] for place in address.hosts] == ["7777", "7777"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:hunter2@db:port:port/keyturn?x", "has no parameter x"),
        ("postgresql://u:hunter2@one,two,three/keyturn?port=1,2", "as many ports as hosts"),
        ("postgresql://u:hunter2@db/keyturn?replication=true", "asyncpg does not support the parameter replication"),
    ],
)
def test_an_unusable_store_url_is_refused_and_not_repeated(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)

"""Redis URLs: every accepted form, and refusals without the password."""

import asyncio
from collections.abc import Iterator

import pytest

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.redis.address import read_redis_address
from keyturn.stores.redis.connect import connect, connect_async, translate_errors
from services import RedisServer

PASSWORD = "correct horse"


@pytest.mark.parametrize(
    ("url", "form", "hosts", "options"),
    [
        ("redis://localhost", "single", (("localhost", 6379),), {"db": 0}),
        ("redis://h:7000/3", "single", (("h", 7000),), {"db": 3}),
        ("redis://[::1]:7000", "single", (("::1", 7000),), {"db": 0}),
        ("redis://ada:p%40ss@h", "single", (("h", 6379),), {"username": "ada", "password": "p@ss", "db": 0}),
        ("redis://:word@h", "single", (("h", 6379),), {"password": "word", "db": 0}),
        ("rediss://h?tls_ca=/ca.pem", "single", (("h", 6379),), {"ssl": True, "ssl_ca_certs": "/ca.pem", "db": 0}),
        ("redis+cluster://a,b:7001", "cluster", (("a", 6379), ("b", 7001)), {}),
        ("redis+sentinel://a,b:7001/main/2", "sentinel", (("a", 26379), ("b", 7001)), {"db": 2}),
        ("unix:///run/redis.sock?db=1", "unix", (), {"db": 1, "unix_socket_path": "/run/redis.sock"}),
    ],
)
def test_a_redis_url_names_form_hosts_and_options(url: str, form: str, hosts: object, options: object) -> None:
    address = read_redis_address(url)
    assert (address.form, address.hosts, address.options) == (form, hosts, options)


def test_sentinels_have_a_login_of_their_own() -> None:
    address = read_redis_address(
        "rediss+sentinel://ada:one@a/main?sentinel_username=bob&sentinel_password=two&tls_ca=/c"
    )
    assert address.name == "main"
    assert address.options == {"username": "ada", "password": "one", "ssl": True, "ssl_ca_certs": "/c", "db": 0}
    assert address.sentinel == {"username": "bob", "password": "two", "ssl": True, "ssl_ca_certs": "/c"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://h",
        "redis:h",
        "redis://",
        "redis://h:port",
        "redis://a,b",
        "redis://h/x",
        "redis://h/0/1",
        "redis://h#0",
        "redis://h?tls_ca=/ca.pem",
        "redis://h?misspelt=1",
        "redis://h?=",
        "redis+other://h",
        "redis+cluster://h/1",
        "redis+sentinel://h",
        "unix://",
        "unix:///s?db=x",
    ],
)
def test_an_invalid_redis_url_is_refused_with_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^session_store: "):
        read_redis_address(url, "session_store")


@pytest.mark.parametrize("rest", ["h:port", "a,b", "h/x", "h?sentinel_password=correct%20horse", "h?tls_ca="])
def test_no_password_is_echoed(rest: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_redis_address(f"redis://ada:correct%20horse@{rest}")
    assert "horse" not in str(refused.value)
    assert "horse" not in repr(read_redis_address("redis://ada:correct%20horse@h"))


@pytest.fixture
def guarded() -> Iterator[RedisServer]:
    server = RedisServer()
    server.command += ["--unixsocket", f"{server.folder}/socket"]
    server.start()
    with server.client() as client:
        client.execute_command("ACL SETUSER", "ada", "on", ">correct-horse", "allkeys", "allcommands")
    yield server
    server.remove()


def test_a_socket_and_a_login_are_used_in_both_colours(guarded: RedisServer) -> None:
    address = read_redis_address(f"unix://ada:correct-horse@{guarded.folder}/socket?db=2")
    client = connect(address)
    client.set("here", "yes")
    client.close()

    async def look() -> object:
        awaited = connect_async(address)
        try:
            return await awaited.get("here")
        finally:
            await awaited.aclose()

    assert asyncio.run(look()) == b"yes"


def test_a_redis_error_is_store_unavailable_without_values_in_its_message(guarded: RedisServer) -> None:
    client = connect(read_redis_address(guarded.url))
    client.set("key", "value")
    with pytest.raises(StoreUnavailable, match=r"^ResponseError WRONGTYPE$"), translate_errors():
        client.lpush("key", "correct horse")
    client.close()
    guarded.kill()
    for url in (guarded.url, guarded.url.replace("redis:", "redis+cluster:").removesuffix("/0")):
        with pytest.raises(StoreUnavailable) as refused, translate_errors():
            connect(read_redis_address(url)).get("correct horse")
        assert refused.value.__cause__ is None
        assert "horse" not in str(refused.value)

"""Redis clients for a single server, Sentinel or Cluster, with bounded connections and timeouts."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import redis
from redis import asyncio as redis_asyncio

from keyturn.errors import StoreUnavailable
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.bounded_parser import use_bounded_parser

# redis-py is only partly typed.
_sync: Any = redis
_async: Any = redis_asyncio

REDIS_DEADLINE_SECONDS: Final = 3.0
REDIS_CONNECTIONS: Final = 64
"""Largest number of open connections per process; in a cluster, per node."""

RedisClient: TypeAlias = Any
"""``redis.Redis`` or ``redis.cluster.RedisCluster``."""

AsyncRedisClient: TypeAlias = Any
"""``redis.asyncio.Redis`` or ``redis.asyncio.cluster.RedisCluster``."""


FAILURES: Final = (redis.RedisError, _sync.exceptions.RedisClusterException, OSError)
"""Errors of a call to Redis. ``TimeoutError`` is an ``OSError``."""


class CorruptRecord(StoreUnavailable):
    """Record in Redis that cannot be read: neither a session nor the absence of one."""


class AccessDenied(StoreUnavailable):
    """Redis rejected the credentials or the ACL forbids a command. Not retryable."""


def unavailable(error: BaseException) -> StoreUnavailable:
    """Convert an error to ``StoreUnavailable`` or a subclass, without its message, which quotes the command."""
    if isinstance(error, redis.AuthenticationError | _sync.exceptions.NoPermissionError):
        return AccessDenied(redis_error_summary(error))
    is_corrupt = isinstance(error, redis.ResponseError) and str(error).startswith(_CORRUPT)
    return (CorruptRecord if is_corrupt else StoreUnavailable)(redis_error_summary(error))


@contextmanager
def translate_errors() -> Generator[None, None, None]:
    """Convert errors of calls to Redis to ``StoreUnavailable``."""
    try:
        yield
    except FAILURES as error:
        raise unavailable(error) from None


_CORRUPT: Final = ("WRONGTYPE", "user_script:", "Error running script")
"""Prefixes of Redis errors about a key of the wrong type, and about a script that failed on a value."""

_REDIS_MESSAGES: Final = (
    ("uthentication required", "the server requires a password"),
    ("without any password", "the server has no password, but the URL has one"),
    ("invalid username-password", "the server rejects this user with this password"),
    ("refused", "nothing listens on this host and port"),
    ("Name or service not known", "this host name has no address"),
    ("CERTIFICATE_VERIFY_FAILED", "the server's certificate is not trusted"),
    ("WRONG_VERSION_NUMBER", "the server does not support TLS"),
)
"""Pairs of a text in a connection error and Keyturn's explanation; the first match is used."""


def redis_error_summary(error: BaseException) -> str:
    """Return the class of an error, Redis's error code and the likely cause, without secrets."""
    message = str(error)
    code = message.partition(" ")[0]
    has_code = isinstance(error, redis.ResponseError) and code.isascii() and code.isalpha() and code.isupper()
    explanation = next((f": {text}" for pattern, text in _REDIS_MESSAGES if pattern in message), "")
    return f"{type(error).__name__}{' ' + code if has_code else ''}{explanation}"


def connect(
    address: Address, *, deadline_seconds: float = REDIS_DEADLINE_SECONDS, connections: int = REDIS_CONNECTIONS
) -> RedisClient:
    """Return a thread-safe client that never repeats a command that may have run.

    ``deadline_seconds``: longest duration of a call; a third each to get a connection, to open it and to get the reply.
    A cluster's layout is read at once. Raises ``StoreUnavailable`` if none of its nodes answers.
    """
    if address.form == "cluster":
        with translate_errors():
            return _client(_sync, address, deadline_seconds, connections)
    return _client(_sync, address, deadline_seconds, connections)


def connect_async(
    address: Address, *, deadline_seconds: float = REDIS_DEADLINE_SECONDS, connections: int = REDIS_CONNECTIONS
) -> AsyncRedisClient:
    """Return an async client for one event loop; see ``connect``. It connects with the first command."""
    return _client(_async, address, deadline_seconds, connections)


def _client(library: Any, address: Address, deadline_seconds: float, connections: int) -> Any:
    options = _options(address, deadline_seconds, library.retry.Retry(_sync.backoff.NoBackoff(), 0)) | _parser_options(
        library
    )
    if address.form == "cluster":
        nodes = [library.cluster.ClusterNode(host, port) for host, port in address.hosts]
        return library.cluster.RedisCluster(startup_nodes=nodes, max_connections=connections, **options)
    if address.form == "sentinel":
        sentinel_options = _sentinel(address, options, deadline_seconds) | _parser_options(library)
        sentinels = library.sentinel.Sentinel(address.hosts, sentinel_kwargs=sentinel_options)
        return sentinels.master_for(address.name, max_connections=connections, **options)
    pool = library.BlockingConnectionPool(
        connections,
        deadline_seconds / 3,
        connection_class=_connection_class(library, address, options),
        **_with_hosts(address),
        **_for_socket(address, options),
    )
    return library.Redis.from_pool(pool)


def _connection_class(library: Any, address: Address, options: dict[str, object]) -> Any:
    if address.form == "unix":
        return library.UnixDomainSocketConnection
    return library.SSLConnection if options.pop("ssl", False) else library.Connection


def _options(address: Address, deadline_seconds: float, retry: Any) -> dict[str, object]:
    # No retries: a script that timed out may have run, so only its caller knows if a repetition is safe.
    third = deadline_seconds / 3
    return {**address.options, "retry": retry, "socket_timeout": third, "socket_connect_timeout": third}


def _parser_options(library: Any) -> dict[str, object]:
    # The async redis-py limits the time of a whole reply itself.
    return {"redis_connect_func": use_bounded_parser} if library is _sync else {}


def _sentinel(address: Address, options: dict[str, object], deadline_seconds: float) -> dict[str, object]:
    timeout = deadline_seconds / 3 / len(address.hosts)
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {**(address.sentinel or {}), **timeouts, "retry": options["retry"]}


def _with_hosts(address: Address) -> dict[str, object]:
    if address.form == "unix":
        return {"path": address.options["unix_socket_path"]}
    host, port = address.hosts[0]
    return {"host": host, "port": port}


def _for_socket(address: Address, options: dict[str, object]) -> dict[str, object]:
    excluded = ("unix_socket_path", "socket_connect_timeout") if address.form == "unix" else ()
    return {name: value for name, value in options.items() if name not in excluded}

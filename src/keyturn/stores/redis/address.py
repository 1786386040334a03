"""Redis address, parsed from a URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from keyturn.errors import ConfigurationError

_EXAMPLE = (
    "write it like redis://127.0.0.1:6379/0, redis+sentinel://a:26379,b:26379/NAME, redis+cluster://a:6379,b:6379 "
    "or unix:///run/redis.sock; rediss instead of redis means TLS"
)
_PORTS = {"single": 6379, "cluster": 6379, "sentinel": 26379}
_TLS = {"tls_ca": "ssl_ca_certs", "tls_cert": "ssl_certfile", "tls_key": "ssl_keyfile"}
_SENTINEL = {"sentinel_username": "username", "sentinel_password": "password"}

Form = Literal["single", "sentinel", "cluster", "unix"]
Host = tuple[str, int]


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Parsed Redis URL.

    ``options``: user, password, database and TLS in redis-py's names. ``sentinel``: the same for the sentinels.
    """

    form: Form
    hosts: tuple[Host, ...]
    options: Mapping[str, object]
    name: str = ""
    sentinel: Mapping[str, object] | None = None

    def __repr__(self) -> str:
        return f"Address({self.form!r}, {self.hosts!r})"


def read_redis_address(url: str, setting: str = "redis_cache") -> Address:
    """Parse a Redis URL.

    Raises ``ConfigurationError``, which names ``setting`` and never quotes the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        return _unix(parts, query, setting) if parts.scheme == "unix" else _network(parts, query, setting)
    except ValueError:
        _refuse(setting, "the URL cannot be parsed")


def _unix(parts: SplitResult, query: dict[str, str], setting: str) -> Address:
    if not parts.path:
        _refuse(setting, "the URL has no socket path")
    options = {**_login(parts), "db": int(query.pop("db", "0")), "unix_socket_path": unquote(parts.path)}
    _require_no_options(query, setting)
    return Address("unix", (), options)


def _network(parts: SplitResult, query: dict[str, str], setting: str) -> Address:
    scheme, _, suffix = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss") or suffix not in ("", "sentinel", "cluster") or "#" in parts.geturl():
        _refuse(setting, "not a Redis URL")
    form: Form = "single" if not suffix else "sentinel" if suffix == "sentinel" else "cluster"
    hosts = _hosts(parts.netloc.rpartition("@")[2], _PORTS[form])
    if form == "single" and len(hosts) != 1:
        _refuse(setting, "several hosts need redis+sentinel or redis+cluster")
    tls = _tls(scheme, query, setting)
    path = [unquote(each) for each in parts.path.split("/")[1:] if each]
    name = path.pop(0) if form == "sentinel" and path else ""
    sentinel = {**_split_options(query, _SENTINEL), **tls} if form == "sentinel" else None
    _check_path(form, name, path, setting)
    _require_no_options(query, setting)
    database = {} if form == "cluster" else {"db": int(path[0]) if path else 0}
    return Address(form, hosts, {**_login(parts), **tls, **database}, name, sentinel)


def _tls(scheme: str, query: dict[str, str], setting: str) -> dict[str, object]:
    options = _split_options(query, _TLS)
    if scheme == "rediss":
        return {"ssl": True, **options}
    if options:
        _refuse(setting, "TLS options need the scheme rediss")
    return {}


def _check_path(form: Form, name: str, path: list[str], setting: str) -> None:
    if form == "sentinel" and not name:
        _refuse(setting, "the URL lacks the name of the primary: .../NAME")
    if form == "cluster" and path:
        _refuse(setting, "a cluster has no numbered databases")
    if len(path) > 1:
        _refuse(setting, "the URL cannot be parsed")


def _hosts(text: str, port: int) -> tuple[Host, ...]:
    hosts: list[Host] = []
    for each in text.split(","):
        split = urlsplit(f"//{each}")
        if not split.hostname or split.path:
            raise ValueError("no host")
        hosts.append((split.hostname, split.port or port))
    return tuple(hosts)


def _login(parts: SplitResult) -> dict[str, str]:
    login, separator, _ = parts.netloc.rpartition("@")
    if not separator:
        return {}
    user, _, password = login.partition(":")
    credentials = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in credentials.items() if value}


def _split_options(query: dict[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {option: query.pop(name) for name, option in names.items() if name in query}


def _require_no_options(query: Mapping[str, str], setting: str) -> None:
    if query:
        # Quote names only: the value of a misspelt sentinel_password is a secret.
        _refuse(setting, f"unknown options in the URL: {', '.join(sorted(query))}")


def _refuse(setting: str, reason: str) -> NoReturn:
    raise ConfigurationError(f"{setting}: {reason}; {_EXAMPLE}") from None

"""PostgreSQL address, shared by both drivers and parsed by libpq."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from keyturn.errors import ConfigurationError

CONNECT_SECONDS = 2
"""Timeout for connecting to one server."""

_ASYNCPG, _PSYCOPG = "postgresql+asyncpg", "postgresql+psycopg"
_SCHEMES = ("postgresql", "postgres", _ASYNCPG, _PSYCOPG)
_LIST_PARAMETERS = ("host", "hostaddr", "port")
_DRIVER_SPECIFIC = ("connect_timeout", "keepalives", "tcp_user_timeout", "target_session_attrs", "fallback_application")
_ASYNCPG_PARAMETERS = (
    *("host", "port", "user", "password", "dbname", "passfile", "service", "application_name", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
)


@dataclass(frozen=True, slots=True, repr=False)
class SqlAddress:
    """Parsed PostgreSQL URL. ``parts``: libpq's connection parameters. ``asyncpg``: True if async ports use asyncpg."""

    parts: Mapping[str, str] = field(repr=False)
    asyncpg: bool = True

    def __repr__(self) -> str:
        return f"Address({self.label!r})"

    @property
    def label(self) -> str:
        """URL for messages, without the password and other parameters that may be secret."""
        user = self.parts.get("user", "")
        hosts = ",".join(f"{each.get('host', '')}:{each.get('port', '5432')}" for each in self.hosts)
        return f"postgresql://{user + ':***@' if user else ''}{hosts}/{self.parts.get('dbname', '')}"

    @property
    def hosts(self) -> tuple[dict[str, str], ...]:
        """Connection parameters of each server; one of several servers is the primary."""
        lists = {name: self.parts[name].split(",") for name in _LIST_PARAMETERS if self.parts.get(name)}
        count = max((len(each) for each in lists.values()), default=1)
        if any(len(each) not in (1, count) for each in lists.values()):
            raise ConfigurationError("store: the URL must have one port, or as many ports as hosts")
        return tuple(
            {**self.parts, **{name: each[number % len(each)] for name, each in lists.items()}}
            for number in range(count)
        )

    def asyncpg_urls(self) -> tuple[str, ...]:
        """Return one URL per server for asyncpg. Raises ``ConfigurationError`` for a parameter that only libpq has."""
        return tuple("postgresql://?" + urlencode(_asyncpg_parameters(host)) for host in self.hosts)


def read_sql_address(url: str) -> SqlAddress | None:
    """Parse a PostgreSQL URL. Return None for another database.

    Raises ``ConfigurationError`` if libpq cannot parse the URL; the message does not quote it.
    """
    scheme, colon, rest = url.partition("://")
    if scheme not in _SCHEMES or not colon:
        return None
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise ConfigurationError(
            f"store: the package {error.name} is not installed; in a clone of Keyturn: pip install '.[postgresql]'"
        ) from None
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(f"postgresql://{rest}").items()}
    except ProgrammingError:
        raise ConfigurationError(f"store: {_describe_url_error(rest)}") from None
    address = SqlAddress(parts, asyncpg=scheme != _PSYCOPG)
    if address.asyncpg:
        address.asyncpg_urls()
    return address


def _describe_url_error(rest: str) -> str:
    # Quote only parameter names: the rest of the URL may be part of a password.
    query = rest.partition("?")[2]
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True) if name.isidentifier()]
    unknown = [name for name in names if name not in _libpq_parameters()]
    if unknown and "@" not in query:
        return f"PostgreSQL has no parameter {unknown[0]}"
    return "the URL cannot be parsed; write it like postgresql://keyturn@db.example.com/keyturn"


def _libpq_parameters() -> set[str]:
    from psycopg.pq import Conninfo

    return {each.keyword.decode() for each in Conninfo.get_defaults()}


def _asyncpg_parameters(host: Mapping[str, str]) -> dict[str, str]:
    parameters = {name: value for name, value in host.items() if not name.startswith(_DRIVER_SPECIFIC)}
    for name in parameters:
        if name not in _ASYNCPG_PARAMETERS:
            raise ConfigurationError(
                f"store: asyncpg does not support the parameter {name}; begin the URL with {_PSYCOPG}://"
            )
    return parameters

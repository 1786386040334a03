"""SQL functions of the PostgreSQL server, with a constant in their place on databases that are files."""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _ServerFunction(FunctionElement[Any]):
    """Expression that is ``postgresql`` on PostgreSQL and ``otherwise`` on other databases."""

    postgresql: ClassVar[str]
    otherwise: ClassVar[str]


@compiles(_ServerFunction)
def _compile_default(element: _ServerFunction, _compiler: object, **_: object) -> str:
    return element.otherwise


@compiles(_ServerFunction, "postgresql")
def _compile_postgresql(element: _ServerFunction, _compiler: object, **_: object) -> str:
    return element.postgresql


class timeline(_ServerFunction):  # noqa: N801  # named as SQL functions are
    """Timeline id of the server: PostgreSQL starts a new timeline with each promotion of a standby."""

    inherit_cache = True
    type = BigInteger()
    postgresql, otherwise = "keyturn_timeline()", "0"


class server_clock(_ServerFunction):  # noqa: N801  # named as SQL functions are
    """Unix time of the server in seconds, at the moment of the call."""

    inherit_cache = True
    type = Float()
    # The time within the transaction would be that of its first statement.
    postgresql, otherwise = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)", "NULL"

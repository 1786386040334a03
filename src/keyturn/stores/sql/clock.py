"""Clock of the database server as a SQL function; NULL on databases that are files of this machine."""

from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class server_clock(FunctionElement[float]):  # noqa: N801  # named as SQL functions are
    """Unix time of the server in seconds, at the moment of the call."""

    inherit_cache = True
    type = Float()


@compiles(server_clock)
def _compile_default(_element: server_clock, _compiler: Any, **_: Any) -> str:
    return "NULL"


@compiles(server_clock, "postgresql")
def _compile_postgresql(_element: server_clock, _compiler: Any, **_: Any) -> str:
    # The time within the transaction would be that of its first statement.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"

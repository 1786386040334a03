"""PostgreSQL's timeline id as a SQL function; 0 on databases without standbys."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class timeline(FunctionElement[int]):  # noqa: N801  # named as SQL functions are
    """Timeline id of the server: PostgreSQL starts a new timeline with each promotion of a standby."""

    inherit_cache = True
    type = BigInteger()


@compiles(timeline)
def _compile_default(_element: timeline, _compiler: Any, **_: Any) -> str:
    return "0"


@compiles(timeline, "postgresql")
def _compile_postgresql(_element: timeline, _compiler: Any, **_: Any) -> str:
    return "keyturn_timeline()"

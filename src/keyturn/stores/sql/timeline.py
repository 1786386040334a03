"""Timeline: how often a standby took over. Where nothing stands by, there is one history only."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class timeline(FunctionElement[int]):  # noqa: N801  # named as SQL functions are
    """The number of the history this server is in: PostgreSQL begins another one with each promotion."""

    inherit_cache = True
    type = BigInteger()


@compiles(timeline)
def _compile_default(_element: timeline, _compiler: Any, **_: Any) -> str:
    return "0"


@compiles(timeline, "postgresql")
def _compile_postgresql(_element: timeline, _compiler: Any, **_: Any) -> str:
    return "keyturn_timeline()"

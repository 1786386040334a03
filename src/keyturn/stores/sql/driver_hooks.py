"""Customs: what one database and its driver want done in their own way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyturn.stores.sql.fair_lock import FairLock


def _false(_error: Exception) -> bool:
    return False


def _true(_connection: Any) -> bool:
    return True


def _no_deadline(_connection: Any, _give_up_at: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class DriverHooks:
    """What a runner asks of its database's driver. Connections are the driver's own.

    ``begin``: how a transaction begins. ``turn``: who writes next, where one writer is let in at a time. ``busy``:
    whether an error only says that another process is writing. ``alive``: whether an idle connection may be used
    again, told without asking the server. ``limit``: have what is asked on a connection end at a moment (monotonic).
    """

    begin: str = "BEGIN"
    write_lock: FairLock | None = None
    is_busy: Callable[[Exception], bool] = _false
    is_alive: Callable[[Any], bool] = _true
    set_deadline: Callable[[Any, float], None] = _no_deadline

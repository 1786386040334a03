"""Customs: what one database and its driver want done in their own way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyturn.stores.sql.turn import Turn


def _never(_error: Exception) -> bool:
    return False


def _always(_connection: Any) -> bool:
    return True


def _unlimited(_connection: Any, _give_up_at: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Customs:
    """What a runner asks of its database's driver. Connections are the driver's own.

    ``begin``: how a transaction begins. ``turn``: who writes next, where one writer is let in at a time. ``busy``:
    whether an error only says that another process is writing. ``alive``: whether an idle connection may be used
    again, told without asking the server. ``limit``: have what is asked on a connection end at a moment (monotonic).
    """

    begin: str = "BEGIN"
    turn: Turn | None = None
    busy: Callable[[Exception], bool] = _never
    alive: Callable[[Any], bool] = _always
    limit: Callable[[Any, float], None] = _unlimited

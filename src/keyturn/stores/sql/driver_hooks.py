"""Hooks for the differences between databases and their drivers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyturn.stores.sql.fair_lock import FairLock


def _false(_error: Exception) -> bool:
    return False


def _true(_connection: object) -> bool:
    return True


def _no_deadline(_connection: object, _give_up_at: float) -> None:
    pass


def _ignore(_close: Callable[[], None]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class DriverHooks:
    """Driver hooks that a runner calls. Connections are the driver's own.

    ``begin``: SQL that begins a transaction. ``write_lock``: lock for writes, if the database allows a single writer.
    ``is_busy``: returns True if an error means that another process is writing. ``is_alive``: returns True if an idle
    connection is usable, without a round trip. ``set_deadline``: limits calls on a connection (monotonic seconds).
    ``close_before_fork``: is given the method that closes the idle connections of a pool.
    """

    begin: str = "BEGIN"
    write_lock: FairLock | None = None
    is_busy: Callable[[Exception], bool] = _false
    is_alive: Callable[[Any], bool] = _true
    set_deadline: Callable[[Any, float], None] = _no_deadline
    close_before_fork: Callable[[Callable[[], None]], None] = _ignore

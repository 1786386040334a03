"""Purges: many small transactions, so that other writers never wait long. Written once for both colours."""

from collections.abc import Generator
from typing import Any

from keyturn.core.instant import Instant
from keyturn.stores.sql.ledgers import BATCH, purge_audit
from keyturn.stores.sql.log import purge_log
from keyturn.stores.sql.operation import Operation
from keyturn.stores.sql.sessions import purge_sessions, sessions_over

Purge = Generator[tuple[Operation[Any], bool], Any, int]
"""Yields operations, each with whether it writes; is sent what they answer; answers how many records went."""


def over(now: Instant) -> Purge:
    """``SessionStore.purge``."""
    count, after = 0, ""
    while sids := (yield sessions_over(now, after), False):
        count += yield purge_sessions(now, after, sids[-1]), True
        after = sids[-1]
    while (yield purge_log(now), True):
        pass
    return count


def old(before: Instant) -> Purge:
    """``AuditLog.purge``."""
    count, deleted = 0, BATCH
    while deleted == BATCH:
        deleted = yield purge_audit(before), True
        count += deleted
    return count

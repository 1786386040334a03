"""What may be long is done in parts: many small transactions, so that nobody waits long beside it, and no deadline is
met by how much there is. Written once for both colours."""

from collections.abc import Generator
from typing import Any

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant
from keyturn.stores.sql.log import entries_after, log_counters, purge_log
from keyturn.stores.sql.operation import Operation, T
from keyturn.stores.sql.records import BATCH, purge_audit
from keyturn.stores.sql.sessions import expired_sessions, purge_sessions
from keyturn.stores.sql.tables import APPENDED, LOG

PAGE = 2000
"""Entries read at once: an event loop is held up for milliseconds."""

Batches = Generator[tuple[Operation[Any], bool], Any, T]
"""Yields operations, each with whether it writes; is sent what they answer."""


def purge_expired(now: Instant) -> Batches[int]:
    """``SessionStore.purge``."""
    count, after = 0, ""
    while sids := (yield expired_sessions(now, after), False):
        count += yield purge_sessions(now, after, sids[-1]), True
        after = sids[-1]
    while (yield purge_log(now), True):
        pass
    return count


def purge_audit_before(before: Instant) -> Batches[int]:
    """``AuditLog.purge``."""
    count, deleted = 0, BATCH
    while deleted == BATCH:
        deleted = yield purge_audit(before), True
        count += deleted
    return count


def read_snapshot() -> Batches[RevocationPage]:
    """``RevocationLog.snapshot``."""
    while True:
        # The number first: what is appended between two reads is then taken twice, never missed.
        before = yield log_counters(), False
        entries: list[Revocation] = []
        while batch := (yield entries_after(entries[-1].sequence if entries else 0, PAGE), False):
            entries += batch
        after = yield log_counters(), False
        # Else a standby took over in between, and these are of two logs.
        if after[LOG] == before[LOG]:
            return RevocationPage(
                tuple(entries), max(before[APPENDED], entries[-1].sequence if entries else 0), log_id=before[LOG]
            )

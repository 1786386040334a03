"""Long operations, split into small transactions. Each generator serves the sync and the async driver.

Other writers wait for one batch at most; each batch gets the full deadline.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant
from keyturn.stores.sql.log import entries_after, log_counters, mark_at, purge_log
from keyturn.stores.sql.operation import Operation, T
from keyturn.stores.sql.records import BATCH, purge_audit
from keyturn.stores.sql.sessions import expired_sessions, purge_sessions
from keyturn.stores.sql.tables import APPENDED

PAGE = 2000
"""Entries per read: decoding one page blocks an event loop for milliseconds."""

Batches = Generator[tuple[Operation[Any], bool], Any, T]
"""Yields pairs of an operation and a flag, True if it writes; receives the operation's result."""


def purge_expired(now: Instant) -> Batches[int]:
    """Implement ``SessionStore.purge`` in batches."""
    count, after = 0, ""
    while sids := (yield expired_sessions(now, after), False):
        count += yield purge_sessions(now, after, sids[-1]), True
        after = sids[-1]
    while (yield purge_log(now), True):
        pass
    return count


def purge_audit_before(before: Instant) -> Batches[int]:
    """Implement ``AuditLog.purge`` in batches."""
    count, deleted = 0, BATCH
    while deleted == BATCH:
        deleted = yield purge_audit(before), True
        count += deleted
    return count


def read_snapshot() -> Batches[RevocationPage]:
    """Implement ``RevocationLog.snapshot`` in batches."""
    while True:
        # Read the counter first: an entry appended between two reads is then read twice, never missed.
        before, log_id, _ = yield log_counters(), False
        entries: list[Revocation] = []
        while batch := (yield entries_after(entries[-1].sequence if entries else 0, PAGE), False):
            entries += batch
        after, log_id_after, suspended = yield log_counters(), False
        # Otherwise a standby took over meanwhile, and the entries belong to two logs: read again.
        if log_id_after == log_id:
            return replace(_snapshot(entries, before, after, log_id), suspended_before=suspended)


def _snapshot(
    entries: Sequence[Revocation], before: Mapping[str, int], after: Mapping[str, int], log_id: int
) -> RevocationPage:
    last = entries[-1] if entries else None
    if last is None or last.sequence < before[APPENDED]:
        end = mark_at(before[APPENDED], None, after)
    else:
        end = mark_at(last.sequence, last.tag, after)
    return RevocationPage(tuple(entries), end.sequence, log_id=log_id, end=end)

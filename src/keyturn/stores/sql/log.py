"""The revocation log in SQL: a counter row gives every entry its sequence number in commit order."""

from dataclasses import replace

from sqlalchemy import BindParameter, Label, bindparam, case, delete, insert, select, true, update

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant
from keyturn.stores.sql.operation import BEGIN, Operation, writes
from keyturn.stores.sql.rows import revocation_to_row, row_to_revocation
from keyturn.stores.sql.tables import APPENDED, LOG, PURGED, counters, revocations
from keyturn.stores.sql.timeline import timeline

BATCH = 500
"""Entries deleted in one transaction: other writers wait for milliseconds, not for the whole purge."""

# The row lock is held until commit: no greater number can be committed before this one is visible.
_ADVANCE = (
    update(counters).where(counters.c.name == APPENDED).values(value=counters.c.value + 1).returning(counters.c.value)
)
_APPEND = insert(revocations)
_RENUMBER = update(counters).where(counters.c.name == LOG).values(value=bindparam("number"))
_COUNTERS = select(counters.c.name, counters.c.value, timeline())
_LAST = select(counters.c.value).where(counters.c.name == APPENDED)


def _count(name: str) -> Label[int]:
    return select(counters.c.value).where(counters.c.name == name).scalar_subquery().label(name)


_AFTER = (
    select(revocations)
    .where(revocations.c.sequence > bindparam("after"))
    .order_by(revocations.c.sequence)
    .limit(bindparam("most"))
)
_entries, _counts = (
    _AFTER.subquery(),
    select(*(_count(name) for name in (PURGED, APPENDED, LOG)), timeline().label("timeline")).subquery(),
)
# One statement reads counters and entries from the same snapshot.
_PAGE = select(_counts, _entries).join_from(_counts, _entries, true(), isouter=True).order_by(_entries.c.sequence)
_EXPIRED = (
    select(revocations.c.sequence)
    .where(revocations.c.expires_at <= bindparam("now"))
    .order_by(revocations.c.sequence)
    .limit(BATCH)
)
_PURGE = delete(revocations).where(
    revocations.c.expires_at <= bindparam("now"), revocations.c.sequence <= bindparam("last")
)
_last: BindParameter[int] = bindparam("last")
_RAISE_PURGED = (
    update(counters)
    .where(counters.c.name == PURGED)
    .values(value=case((counters.c.value < _last, _last), else_=counters.c.value))
)


def next_sequence() -> Operation[int]:
    """Return the next sequence number and lock the counter until commit.

    Run it first in the transaction: one lock order, no deadlock.
    """
    answer = yield _ADVANCE, {}
    number: int = answer.rows[0][0]
    return number


def append_revocation(entry: Revocation, sequence: int) -> Operation[Revocation]:
    """Append ``entry`` with a number that ``next_sequence`` returned in the same transaction."""
    appended = replace(entry, sequence=sequence)
    yield _APPEND, revocation_to_row(appended)
    return appended


@writes
def purge_log(now: Instant) -> Operation[bool]:
    """Delete one batch of expired entries and raise the low-water mark. Return True if there may be more."""
    yield BEGIN
    expired = (yield _EXPIRED, {"now": now}).rows
    if expired:
        last = expired[-1][0]
        yield _RAISE_PURGED, {"last": last}
        yield _PURGE, {"now": now, "last": last}
    return len(expired) == BATCH


def log_counters() -> Operation[dict[str, int]]:
    """Return the log's counters by name."""
    rows = (yield _COUNTERS, {}).rows
    counts = {name: value for name, value, _ in rows}
    counts[LOG] = _log_id(counts[LOG], rows[0][2])
    return counts


def entries_after(sequence: int, limit: int) -> Operation[tuple[Revocation, ...]]:
    """Return at most ``limit`` entries after ``sequence``, in order."""
    return tuple(map(row_to_revocation, (yield _AFTER, {"after": sequence, "most": limit}).rows))


@writes
def set_log_id(log_id: int) -> Operation[None]:
    """Give the log another id. Its followers then take a snapshot and merge it into the revocations they hold."""
    yield _RENUMBER, {"number": log_id}


def _log_id(log: int, timeline_id: int) -> int:
    # A promoted standby that lacks the last entries reissues their numbers: its log counts as another one.
    return log + timeline_id


class Log:
    """``RevocationLog`` in SQL without ``snapshot``, which is read in batches."""

    def after(self, sequence: int, limit: int) -> Operation[RevocationPage]:
        rows = (yield _PAGE, {"after": sequence, "most": limit}).rows
        purged, appended, log, timeline_id, *first_entry = rows[0]
        entries = () if first_entry[0] is None else tuple(row_to_revocation(row[4:]) for row in rows)
        reached = entries[-1].sequence if entries else sequence
        return RevocationPage(entries, reached, purged <= sequence <= appended, _log_id(log, timeline_id))

    def sequence(self) -> Operation[int]:
        answer = yield _LAST, {}
        number: int = answer.rows[0][0]
        return number

"""The revocation log in SQL: a counter row gives every entry its sequence number in commit order."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import BindParameter, Label, bindparam, case, delete, insert, select, true, update

from keyturn.core.feed import LogCursor
from keyturn.core.log_mark import ABSENT, LogMark
from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant
from keyturn.stores.sql.operation import BEGIN, Batches, SqlOperation, in_batches, writes
from keyturn.stores.sql.rows import revocation_to_row, row_to_revocation
from keyturn.stores.sql.server_functions import server_clock, timeline
from keyturn.stores.sql.tables import (
    APPENDED,
    DATABASE,
    LOG_ID,
    PURGED,
    PURGED_TAG,
    PURGED_TAG_AT,
    RESTORED,
    counters,
    marks,
    revocations,
)

TAG_BITS: Final = 62
STEP_BITS: Final = 40
_MIN_STEP: Final = 2**32
"""More than any timeline id, which is added to the log's id."""

_BATCH = 500
"""Entries deleted in one transaction: other writers wait for milliseconds, not for the whole purge."""

_ENTRIES_PER_READ = 2000
"""Entries of a snapshot read at once: decoding them blocks an event loop for milliseconds."""

# The row lock is held until commit: no greater number can be committed before this one is visible.
_ADVANCE = (
    update(counters).where(counters.c.name == APPENDED).values(value=counters.c.value + 1).returning(counters.c.value)
)
_APPEND = insert(revocations)
_least: BindParameter[int] = bindparam("least")
_RENUMBER = (
    update(counters)
    .where(counters.c.name == LOG_ID)
    .values(value=case((counters.c.value < _least, _least), else_=counters.c.value) + bindparam("step"))
)
_suspended = select(marks.c.value).where(marks.c.kind == RESTORED, marks.c.key == "").scalar_subquery()
_COUNTERS = select(counters.c.name, counters.c.value, timeline(), _suspended)
_CLOCK = select(server_clock())
_LAST = select(counters.c.value).where(counters.c.name == APPENDED)


def _count(name: str) -> Label[int]:
    return select(counters.c.value).where(counters.c.name == name).scalar_subquery().label(name)


_AFTER = (
    select(revocations)
    .where(revocations.c.sequence > bindparam("after"))
    .order_by(revocations.c.sequence)
    .limit(bindparam("most"))
)
_READ = (PURGED, APPENDED, LOG_ID, DATABASE, PURGED_TAG, PURGED_TAG_AT)
_tag_before = select(revocations.c.tag).where(revocations.c.sequence == bindparam("after")).scalar_subquery()
_entries, _counts = (
    _AFTER.subquery(),
    select(
        *map(_count, _READ), timeline().label("timeline"), _suspended.label("suspended"), _tag_before.label("tag")
    ).subquery(),
)
# One statement reads counters and entries from the same snapshot.
_PAGE = select(_counts, _entries).join_from(_counts, _entries, true(), isouter=True).order_by(_entries.c.sequence)
_EXPIRED = (
    select(revocations.c.sequence, revocations.c.tag)
    .where(revocations.c.expires_at <= bindparam("now"))
    .order_by(revocations.c.sequence)
    .limit(_BATCH)
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
_KEEP_TAG = (
    update(counters)
    .where(counters.c.name == bindparam("kept"), _count(PURGED).element == _last)
    .values(value=bindparam("value"))
)


def next_sequence() -> SqlOperation[int]:
    """Return the next sequence number and lock the counter until commit.

    Run it first in the transaction: one lock order, no deadlock.
    """
    answer = yield _ADVANCE, {}
    number: int = answer.rows[0][0]
    return number


def append_revocation(entry: Revocation, sequence: int) -> SqlOperation[Revocation]:
    """Append ``entry`` with a number that ``next_sequence`` returned in the same transaction."""
    appended = replace(entry, sequence=sequence, tag=1 + secrets.randbits(TAG_BITS))
    yield _APPEND, revocation_to_row(appended)
    return appended


@writes
def purge_log(now: Instant) -> SqlOperation[bool]:
    """Delete one batch of expired entries and raise the low-water mark. Return True if there may be more."""
    yield BEGIN
    expired = (yield _EXPIRED, {"now": now}).rows
    if expired:
        last, tag = expired[-1]
        yield _RAISE_PURGED, {"last": last}
        for name, value in ((PURGED_TAG, tag), (PURGED_TAG_AT, last)):
            yield _KEEP_TAG, {"last": last, "kept": name, "value": value}
        yield _PURGE, {"now": now, "last": last}
    return len(expired) == _BATCH


def log_counters() -> SqlOperation[tuple[dict[str, int], int, int]]:
    """Return the log's counters by name, its id, and the time before which sessions are suspended."""
    rows = (yield _COUNTERS, {}).rows
    counts = {row[0]: row[1] for row in rows}
    return counts, _log_id(counts[LOG_ID], rows[0][2]), rows[0][3] or 0


def mark_at(sequence: int, tag: int | None, counts: Mapping[str, int]) -> LogMark:
    """Return the log's mark at ``sequence``. ``tag``: that of the stored entry, None if there is none."""
    if tag is None:
        is_last_purged = sequence == counts[PURGED] == counts[PURGED_TAG_AT]
        tag = ABSENT if sequence > counts[APPENDED] else counts[PURGED_TAG] if is_last_purged else None
    return LogMark(counts[DATABASE], counts[LOG_ID], sequence, tag)


def entries_after(sequence: int, limit: int) -> SqlOperation[tuple[Revocation, ...]]:
    """Return at most ``limit`` entries after ``sequence``, in order."""
    return tuple(map(row_to_revocation, (yield _AFTER, {"after": sequence, "most": limit}).rows))


@writes
def renew_log_id(known: int = 0) -> SqlOperation[None]:
    """Give the log an id above its own and ``known``. Its followers then take a snapshot and merge it.

    The step is random: two logs put back from one backup get different ids.
    """
    yield _RENUMBER, {"least": known, "step": _MIN_STEP + secrets.randbits(STEP_BITS)}


def _log_id(log: int, timeline_id: int) -> int:
    # A promoted standby that lacks the last entries reissues their numbers: its log counts as another one.
    return log + timeline_id


def _last_mark(entries: Sequence[Revocation], counts: Mapping[str, int]) -> LogMark | None:
    return mark_at(entries[-1].sequence, entries[-1].tag, counts) if entries else None


def _snapshot(
    entries: Sequence[Revocation], before: Mapping[str, int], after: Mapping[str, int], log_id: int
) -> RevocationPage:
    last = entries[-1] if entries else None
    if last is None or last.sequence < before[APPENDED]:
        end = mark_at(before[APPENDED], None, after)
    else:
        end = mark_at(last.sequence, last.tag, after)
    return RevocationPage(tuple(entries), end.sequence, log_id=log_id, end=end)


class SqlLog:
    """``RevocationLog`` in SQL."""

    def after(self, sequence: int, limit: int) -> SqlOperation[RevocationPage]:
        rows = (yield _PAGE, {"after": sequence, "most": limit}).rows
        counts: dict[str, int] = dict(zip(_READ, rows[0], strict=False))
        timeline_id, suspended, tag, *first_entry = rows[0][len(_READ) :]
        entries = () if first_entry[0] is None else tuple(row_to_revocation(row[len(_READ) + 3 :]) for row in rows)
        start = mark_at(sequence, tag, counts)
        return RevocationPage(
            entries,
            entries[-1].sequence if entries else sequence,
            counts[PURGED] <= sequence <= counts[APPENDED],
            _log_id(counts[LOG_ID], timeline_id),
            start,
            _last_mark(entries, counts) or start,
            suspended_before=suspended or 0,
        )

    def sequence(self) -> SqlOperation[int]:
        answer = yield _LAST, {}
        number: int = answer.rows[0][0]
        return number

    @in_batches
    def snapshot(self) -> Batches[RevocationPage]:
        while True:
            # Read the counter first: an entry appended between two reads is then read twice, never missed.
            before, log_id, _ = yield log_counters(), False
            entries: list[Revocation] = []
            while batch := (yield entries_after(entries[-1].sequence if entries else 0, _ENTRIES_PER_READ), False):
                entries += batch
            after, log_id_after, suspended = yield log_counters(), False
            # Otherwise a standby took over meanwhile, and the entries belong to two logs: read again.
            if LogCursor(log_id, before[APPENDED]).is_in(log_id_after):
                return replace(_snapshot(entries, before, after, log_id), suspended_before=suspended)

    def clock(self) -> SqlOperation[float | None]:
        value: float | None = (yield _CLOCK, {}).rows[0][0]
        return value

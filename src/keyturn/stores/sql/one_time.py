"""One-time values in SQL.

Each row has the id of the revocation log at its insertion. The id changes when the database is restored from a backup
and when a PostgreSQL standby is promoted, either of which may bring a spent value back: rows with another id than the
present one are not found any more.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, bindparam, case, delete, func, insert, select, update

from keyturn.core.one_time import Insertion, InsertOutcome, OneTimeKind, OneTimeLimits, OneTimeValue
from keyturn.core.types import Instant
from keyturn.stores.sql.operation import BEGIN, ROLLBACK, Batches, SqlOperation, in_batches, writes
from keyturn.stores.sql.server_functions import timeline
from keyturn.stores.sql.tables import LOG_ID, counters, one_time, one_time_kinds

_BATCH = 200
"""Values deleted in one transaction: other writers wait for milliseconds, not for the whole purge."""

_log_id = select(counters.c.value + timeline()).where(counters.c.name == LOG_ID).scalar_subquery()
_is_kind = one_time.c.kind == bindparam("b_kind")
_by_digest = (_is_kind, one_time.c.digest == bindparam("b_digest"))
_COLUMNS = tuple(column for column in one_time.c if column.name != "log_id")
_LOAD = select(*_COLUMNS).where(*_by_digest, one_time.c.log_id == _log_id)
_EXISTS = select(one_time.c.kind).where(*_by_digest)
_COUNT = select(func.count()).select_from(one_time).where(_is_kind, one_time.c.subject == bindparam("subject"))
_INSERT = insert(one_time).values({**{each.name: bindparam(each.name) for each in _COLUMNS}, "log_id": _log_id})
_SWAP = (
    update(one_time)
    .where(*_by_digest, one_time.c.log_id == _log_id, one_time.c.uses == bindparam("b_uses") - 1)
    .values(uses=bindparam("b_uses"), made=bindparam("made"))
)
_kinds = one_time_kinds.c
_now: BindParameter[int] = bindparam("now")
# Locks the row of the kind until commit, so that concurrent insertions count one another.
_ADD = (
    update(one_time_kinds)
    .where(_kinds.kind == bindparam("b_kind"))
    .values(
        stored=_kinds.stored + bindparam("added"),
        complete_since=case((_kinds.log_id == _log_id, _kinds.complete_since), else_=_now),
        log_id=_log_id,
    )
    .returning(_kinds.stored, _kinds.complete_since)
)
_REMOVE = (
    update(one_time_kinds).where(_kinds.kind == bindparam("b_kind")).values(stored=_kinds.stored - bindparam("removed"))
)
_expired = (
    select(one_time.c.digest)
    .where(_is_kind, one_time.c.expires_at <= bindparam("now"))
    .order_by(one_time.c.expires_at)
    .limit(_BATCH)
)
_PURGE = delete(one_time).where(_is_kind, one_time.c.digest.in_(_expired))


def _has_expired(kind: OneTimeKind, now: Instant) -> SqlOperation[bool]:
    return bool((yield _expired, {"b_kind": kind.value, "now": now}).rows)


@writes
def _purge_batch(kind: OneTimeKind, now: Instant) -> SqlOperation[int]:
    """Delete one batch of a kind. Return the number of deleted values."""
    yield BEGIN
    yield _REMOVE, {"b_kind": kind.value, "removed": 0}  # one lock order: the kind's row first
    count = (yield _PURGE, {"b_kind": kind.value, "now": now}).count
    yield _REMOVE, {"b_kind": kind.value, "removed": count}
    return count


class SqlOneTimeValues:
    """``OneTimeStore`` in SQL."""

    @writes
    def insert(self, value: OneTimeValue, limits: OneTimeLimits, now: Instant) -> SqlOperation[Insertion]:
        yield BEGIN
        parameters = {"b_kind": value.kind.value, "b_digest": value.digest, "subject": value.subject}
        stored, complete_since = (yield _ADD, {**parameters, "added": 1, "now": now}).rows[0]
        outcome = InsertOutcome.STORED
        if (yield _EXISTS, parameters).rows:
            outcome = InsertOutcome.EXISTS
        elif stored > limits.total:
            outcome = InsertOutcome.FULL
        elif (yield _COUNT, parameters).rows[0][0] >= limits.per_subject:
            outcome = InsertOutcome.SUBJECT_FULL
        yield (_INSERT, _to_row(value)) if outcome is InsertOutcome.STORED else ROLLBACK
        return Insertion(outcome, complete_since)

    def load(self, kind: OneTimeKind, digest: bytes) -> SqlOperation[OneTimeValue | None]:
        rows = (yield _LOAD, {"b_kind": kind.value, "b_digest": digest}).rows
        return _from_row(rows[0]) if rows else None

    @writes
    def replace(self, value: OneTimeValue) -> SqlOperation[bool]:
        parameters = {"b_kind": value.kind.value, "b_digest": value.digest, "b_uses": value.uses, "made": value.made}
        return (yield _SWAP, parameters).count == 1

    @in_batches
    def purge(self, now: Instant) -> Batches[int]:
        count = 0
        for kind in OneTimeKind:
            # A read first: a purge with nothing to delete writes nothing.
            while (yield _has_expired(kind, now), False):
                count += yield _purge_batch(kind, now), True
        return count


def _to_row(value: OneTimeValue) -> dict[str, object]:
    row: dict[str, object] = {each.name: getattr(value, each.name) for each in _COLUMNS}
    return {**row, "kind": value.kind.value}


def _from_row(row: Sequence[Any]) -> OneTimeValue:
    kind, digest, subject, created_at, expires_at, payload, uses, made = row
    return OneTimeValue(OneTimeKind(kind), bytes(digest), subject, created_at, expires_at, bytes(payload), uses, made)

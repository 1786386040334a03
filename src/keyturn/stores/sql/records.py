"""Attempt counters, signing keys and security events in SQL."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, select, update

from keyturn.core.audit import AuditEvent
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.ports import StoredKey
from keyturn.stores.sql.operation import Batches, SqlOperation, UniqueViolation, in_batches, writes
from keyturn.stores.sql.rows import row_to_bucket, row_to_event, row_to_key
from keyturn.stores.sql.tables import audit, signing_keys, throttles

_BATCH = 200
"""Events deleted in one transaction: other writers wait for milliseconds, not for the whole purge."""

_BUCKET = select(throttles).where(throttles.c.key == bindparam("key"))
_NEW_BUCKET = insert(throttles)
_SWAP_BUCKET = (
    update(throttles)
    .where(throttles.c.key == bindparam("b_key"), throttles.c.version == bindparam("b_version"))
    .values(level=bindparam("level"), updated_at=bindparam("updated_at"), version=bindparam("version"))
)
_EMPTY_BUCKETS = delete(throttles).where(throttles.c.updated_at + throttles.c.level <= bindparam("now"))
_KEYS = select(signing_keys).order_by(signing_keys.c.serial)
_NEW_KEY = insert(signing_keys)
_DROP_KEY = delete(signing_keys).where(signing_keys.c.kid == bindparam("kid"))
_event_columns = tuple(column for column in audit.c if column.name != "id")
_EVENT = insert(audit).values({column.name: bindparam(column.name) for column in _event_columns}).inline()
_RECENT = (
    select(*_event_columns)
    .where(audit.c.subject == bindparam("subject"))
    .order_by(audit.c.id.desc())
    .limit(bindparam("most"))
)
_OLD_EVENTS = select(audit.c.id).where(audit.c.at < bindparam("before")).order_by(audit.c.at).limit(_BATCH)
_PURGE = delete(audit).where(audit.c.id.in_(_OLD_EVENTS))


@writes
def _purge_events(before: Instant) -> SqlOperation[int]:
    """Delete one batch and return the number of deleted events; fewer than ``_BATCH`` means the last batch."""
    return (yield _PURGE, {"before": before}).count


class Throttles:
    """``ThrottleStore`` in SQL."""

    def load(self, key: str) -> SqlOperation[Bucket | None]:
        rows = (yield _BUCKET, {"key": key}).rows
        return row_to_bucket(rows[0]) if rows else None

    @writes
    def replace(self, bucket: Bucket) -> SqlOperation[bool]:
        values: dict[str, object] = {
            "level": bucket.level,
            "updated_at": bucket.updated_at,
            "version": bucket.version,
        }
        if bucket.version != 1:
            return (yield _SWAP_BUCKET, {**values, "b_key": bucket.key, "b_version": bucket.version - 1}).count == 1
        try:
            yield _NEW_BUCKET, {**values, "key": bucket.key}
        except UniqueViolation:
            return False
        return True

    @writes
    def purge(self, now: Instant) -> SqlOperation[int]:
        return (yield _EMPTY_BUCKETS, {"now": now}).count


class Keys:
    """``KeyStore`` in SQL."""

    def list(self) -> SqlOperation[Sequence[StoredKey]]:
        return [row_to_key(row) for row in (yield _KEYS, {}).rows]

    @writes
    def insert(self, key: StoredKey) -> SqlOperation[bool]:
        values = {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "serial": key.serial,
            "active_at": key.active_at,
            "sealed": key.encrypted,
        }
        try:
            yield _NEW_KEY, values
        except UniqueViolation:
            return False
        return True

    @writes
    def delete(self, kid: str) -> SqlOperation[None]:
        yield _DROP_KEY, {"kid": kid}


class AuditTrail:
    """``AuditLog`` in SQL."""

    @writes
    def append(self, event: AuditEvent) -> SqlOperation[None]:
        values = {
            "event": event.event.value,
            "at": event.at,
            "subject": event.subject,
            "sid": event.sid,
            "address": event.address,
            "detail": event.detail,
        }
        yield _EVENT, values

    def recent(self, subject: Subject, limit: int) -> SqlOperation[Sequence[AuditEvent]]:
        return [row_to_event(row) for row in (yield _RECENT, {"subject": subject, "most": limit}).rows]

    @in_batches
    def purge(self, before: Instant) -> Batches[int]:
        count, deleted = 0, _BATCH
        while deleted == _BATCH:
            deleted = yield _purge_events(before), True
            count += deleted
        return count

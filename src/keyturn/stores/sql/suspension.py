"""Suspension of a database that was put back from a backup and has lost revocations."""

from sqlalchemy import delete, func, select, update

from keyturn.core.log_mark import LogMark
from keyturn.core.types import Instant
from keyturn.stores.sql.log import SqlLog, renew_log_id
from keyturn.stores.sql.operation import BEGIN, ROLLBACK, SqlOperation, writes
from keyturn.stores.sql.sessions import raise_mark
from keyturn.stores.sql.tables import APPENDED, RESTORED, counters, marks, sessions

_LOCK = update(counters).where(counters.c.name == APPENDED).values(value=counters.c.value)
_NEWEST = select(func.coalesce(func.max(sessions.c.created_at), 0))
_RESUME = delete(marks).where(marks.c.kind == RESTORED)


class RestorableLog(SqlLog):
    """SqlLog whose database detects that it was restored."""

    @writes
    def mark_restored(self, known: LogMark, now: Instant) -> SqlOperation[bool]:
        """Give the log a new id and suspend all sessions, if it lacks the entry of ``known``. Return True if it does.

        Of several processes that detect it, one does this: the mark has an older id for the others.
        """
        yield BEGIN
        yield _LOCK, {}
        page = yield from self.after(known.sequence, 1)
        if page.start is None or not known.is_contradicted_by(page.start):
            yield ROLLBACK
            return False
        yield from renew_log_id(known.log)
        # A second ahead: a token may have been issued in this one. No session of the backup is later than its newest.
        newest = (yield _NEWEST, {}).rows[0][0]
        yield from raise_mark(RESTORED, "", max(now, newest) + 1)
        return True


@writes
def resume_sessions() -> SqlOperation[bool]:
    """End the suspension. Return False if there is none."""
    yield BEGIN
    if not (yield _RESUME, {}).count:
        yield ROLLBACK
        return False
    yield from renew_log_id()
    return True

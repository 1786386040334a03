"""Sessions, generations and not-befores in SQL."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, delete, func, insert, select, update

from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.ports import MAX_LISTED
from keyturn.stores.sql.log import append_revocation, next_sequence, purge_log
from keyturn.stores.sql.operation import BEGIN, ROLLBACK, Batches, SqlOperation, UniqueViolation, in_batches, writes
from keyturn.stores.sql.rows import row_to_floor, row_to_session, session_to_row
from keyturn.stores.sql.tables import PURGED, RESTORED, counters, marks, sessions

_BATCH = 200
"""Sessions deleted in one transaction: other writers wait for milliseconds, not for the whole purge."""


def _mark(kind: str, key: ColumnElement[str]) -> ScalarSelect[int]:
    return select(marks.c.value).where(marks.c.kind == kind, marks.c.key == key).scalar_subquery()


def _marks(subject: ColumnElement[str], client_id: ColumnElement[str]) -> tuple[ScalarSelect[int], ...]:
    everything, restored = (_mark(each, bindparam(each, "")) for each in (RevocationKind.EVERYTHING.value, RESTORED))
    return (
        _mark(RevocationKind.SUBJECT.value, subject),
        _mark(RevocationKind.CLIENT.value, client_id),
        everything,
        restored,
    )


_by_sid = sessions.c.sid == bindparam("b_sid")
_SESSION_COLUMNS = select(*sessions.c, *_marks(sessions.c.subject, sessions.c.client_id))
_LOAD = _SESSION_COLUMNS.where(_by_sid)
_LIST = (
    _SESSION_COLUMNS.where(sessions.c.subject == bindparam("subject"), sessions.c.ended_at.is_(None))
    .order_by(sessions.c.created_at.desc(), sessions.c.sid)
    .limit(MAX_LISTED)
)
_TOUCH = update(counters).where(counters.c.name == PURGED).values(value=counters.c.value)
_MARKS = select(*_marks(bindparam("subject"), bindparam("client_id")))
_LAST_USE = select(func.max(sessions.c.last_seen_at))
_LAST_USE_OF_CLIENT = _LAST_USE.where(sessions.c.client_id == bindparam("client_id"))
_INSERT = insert(sessions)
_FIXED_COLUMNS = ("sid", "subject")
_SWAP = (
    update(sessions)
    .where(_by_sid, sessions.c.version == bindparam("b_version"))
    .values({column.name: bindparam(column.name) for column in sessions.c if column.name not in _FIXED_COLUMNS})
)
_EXPIRED = (
    select(sessions.c.sid)
    .where(sessions.c.expires_at <= bindparam("now"), sessions.c.sid > bindparam("after"))
    .order_by(sessions.c.sid)
    .limit(_BATCH)
)
_PURGE = delete(sessions).where(
    sessions.c.expires_at <= bindparam("now"),
    sessions.c.sid > bindparam("after"),
    sessions.c.sid <= bindparam("last"),
)
_by_key = (marks.c.kind == bindparam("b_kind"), marks.c.key == bindparam("b_key"))
_RAISE = update(marks).where(*_by_key).values(value=marks.c.value + 1).returning(marks.c.value)
_LIFT = update(marks).where(*_by_key).values(value=bindparam("value")).where(marks.c.value < bindparam("value"))
_FIRST = insert(marks)
_VALUE = select(func.count()).select_from(marks).where(*_by_key)


def _raise_generation(subject: Subject) -> SqlOperation[int]:
    # The caller holds the lock of the log's counter, so no concurrent insert of this row is possible.
    rows = (yield _RAISE, {"b_kind": RevocationKind.SUBJECT.value, "b_key": subject}).rows
    if rows:
        generation: int = rows[0][0]
        return generation
    yield _FIRST, {"kind": RevocationKind.SUBJECT.value, "key": subject, "value": 1}
    return 1


def increment_generation(increment: GenerationIncrement) -> SqlOperation[Revocation]:
    """Raise a subject's generation and append the entry, within the caller's transaction."""
    sequence = yield from next_sequence()
    generation = yield from _raise_generation(increment.subject)
    entry = Revocation(RevocationKind.SUBJECT, increment.subject, generation, increment.at, increment.expires_at)
    return (yield from append_revocation(entry, sequence))


def raise_mark(kind: str, key: str, value: int) -> SqlOperation[None]:
    """Raise a mark to ``value``, within the caller's transaction, which holds the lock of the log's counter."""
    names: dict[str, object] = {"b_kind": kind, "b_key": key}
    if (yield _VALUE, names).rows[0][0]:
        yield _LIFT, {**names, "value": value}
    else:
        yield _FIRST, {"kind": kind, "key": key, "value": value}


def move_to_generation(session: Session, subject: Subject, generation: int) -> SqlOperation[bool]:
    """Compare and swap a session of ``subject`` to the new ``generation``.

    Return False if another write won or the session was void before.
    """
    if session.subject != subject or session.generation != generation - 1:
        return False
    return (yield from _swap(replace(session, generation=generation)))


def _swap(session: Session) -> SqlOperation[bool]:
    values = session_to_row(session)
    values["b_sid"], values["b_version"] = values.pop("sid"), session.version - 1
    del values["subject"]
    return (yield _SWAP, values).count == 1


def expired_sessions(now: Instant, after: str) -> SqlOperation[Sequence[str]]:
    """Return the sids of one batch of expired sessions, in order. A read: no writer waits for it."""
    # Ordered by sid: an index on the expiry, which every use changes, would cost each rotation a second write.
    return [row[0] for row in (yield _EXPIRED, {"now": now, "after": after}).rows]


@writes
def purge_sessions(now: Instant, after: str, last: str) -> SqlOperation[int]:
    """Delete one batch, the expired sids above ``after`` up to ``last``. Return the number of deleted sessions."""
    return (yield _PURGE, {"now": now, "after": after, "last": last}).count


class SqlSessions:
    """``SessionStore`` in SQL."""

    @writes
    def insert(self, session: Session) -> SqlOperation[None]:
        try:
            yield _INSERT, session_to_row(session)
        except UniqueViolation:
            raise ValueError("session id taken") from None

    def load(self, sid: SessionId) -> SqlOperation[LoadedSession | None]:
        rows = (yield _LOAD, {"b_sid": sid}).rows
        return row_to_session(rows[0]) if rows else None

    def revocation_floor(self, subject: Subject, client_id: str) -> SqlOperation[RevocationFloor]:
        return row_to_floor((yield _MARKS, {"subject": subject, "client_id": client_id}).rows[0])

    @writes
    def replace(self, session: Session, entry: Revocation | None = None) -> SqlOperation[int | None]:
        if entry is None:
            return 0 if (yield from _swap(session)) else None
        yield BEGIN
        sequence = yield from next_sequence()
        if not (yield from _swap(session)):
            yield ROLLBACK
            return None
        return (yield from append_revocation(entry, sequence)).sequence

    @writes
    def wait_durable(self, session: Session) -> SqlOperation[bool]:
        # The commit of a write waits for PostgreSQL's synchronous standbys; a read does not.
        yield BEGIN
        yield _TOUCH, {}
        loaded = yield from self.load(session.sid)
        return loaded is not None and loaded.session.version == session.version

    @writes
    def increment_generation(self, increment: GenerationIncrement) -> SqlOperation[Revocation]:
        yield BEGIN
        return (yield from increment_generation(increment))

    @writes
    def raise_not_before(self, entry: Revocation) -> SqlOperation[Revocation]:
        if entry.kind not in (RevocationKind.CLIENT, RevocationKind.EVERYTHING):
            raise ValueError("a not-before needs the kind CLIENT or EVERYTHING")
        yield BEGIN
        sequence = yield from next_sequence()
        yield from raise_mark(entry.kind.value, entry.key, entry.value)
        return (yield from append_revocation(entry, sequence))

    def last_use(self, client_id: str | None) -> SqlOperation[Instant]:
        statement, parameters = (
            (_LAST_USE, {}) if client_id is None else (_LAST_USE_OF_CLIENT, {"client_id": client_id})
        )
        return Instant((yield statement, parameters).rows[0][0] or EPOCH)

    def list(self, subject: Subject) -> SqlOperation[Sequence[LoadedSession]]:
        return [row_to_session(row) for row in (yield _LIST, {"subject": subject}).rows]

    @in_batches
    def purge(self, now: Instant) -> Batches[int]:
        count, after = 0, ""
        while sids := (yield expired_sessions(now, after), False):
            count += yield purge_sessions(now, after, sids[-1]), True
            after = sids[-1]
        while (yield purge_log(now), True):
            pass
        return count

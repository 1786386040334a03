"""Accounts in SQL."""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select, update

from keyturn.core.account import Account
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.types import Subject
from keyturn.stores.sql.operation import BEGIN, ROLLBACK, Row, SqlOperation, UniqueViolation, writes
from keyturn.stores.sql.rows import account_to_row, row_to_account
from keyturn.stores.sql.sessions import increment_generation, move_to_generation
from keyturn.stores.sql.tables import accounts

_INSERT = insert(accounts)
_FIND = select(accounts).where(accounts.c.identifier == bindparam("identifier"))
_LOAD = select(accounts).where(accounts.c.subject == bindparam("subject"))
# A new subject is a random id, so the first ones are a random sample.
_SAMPLE = select(accounts.c.password_hash).order_by(accounts.c.subject).limit(bindparam("most"))
_LIST = (
    select(accounts)
    .where(accounts.c.subject > bindparam("after"))
    .order_by(accounts.c.subject)
    .limit(bindparam("most"))
)
# FOR NO KEY UPDATE: the lock that an UPDATE of the row takes. SQLite has no row locks: there the transaction is one.
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_LOAD_LOCKED = _LOAD.with_for_update(key_share=True)
_SWAP = (
    update(accounts)
    .where(accounts.c.subject == bindparam("b_subject"), accounts.c.version == bindparam("b_version"))
    .values({column.name: bindparam(column.name) for column in accounts.c if column.name != "subject"})
)


def swap(account: Account) -> SqlOperation[bool]:
    """Compare and swap an account. Return False if another write won.

    Raises ``UniqueViolation`` for the identifier of another account.
    """
    values = account_to_row(account)
    values["b_subject"], values["b_version"] = values.pop("subject"), account.version - 1
    return (yield _SWAP, values).count == 1


def find_locked(identifier: str) -> SqlOperation[Account | None]:
    """Find an account and lock its row until the end of the transaction: wait for every change under way."""
    return _account((yield _FIND_LOCKED, {"identifier": identifier}).rows)


def load_locked(subject: Subject) -> SqlOperation[Account | None]:
    """Load an account; see ``find_locked``."""
    return _account((yield _LOAD_LOCKED, {"subject": subject}).rows)


def _account(rows: Sequence[Row]) -> Account | None:
    return row_to_account(rows[0]) if rows else None


class Accounts:
    """``AccountStore`` in SQL."""

    @writes
    def insert(self, account: Account) -> SqlOperation[bool]:
        try:
            yield _INSERT, account_to_row(account)
        except UniqueViolation:
            return False
        return True

    def find(self, identifier: str) -> SqlOperation[Account | None]:
        return _account((yield _FIND, {"identifier": identifier}).rows)

    def load(self, subject: Subject) -> SqlOperation[Account | None]:
        return _account((yield _LOAD, {"subject": subject}).rows)

    def password_hashes(self, limit: int) -> SqlOperation[Sequence[str]]:
        return [row[0] for row in (yield _SAMPLE, {"most": limit}).rows]

    def list(self, after: Subject, limit: int) -> SqlOperation[Sequence[Account]]:
        return [row_to_account(row) for row in (yield _LIST, {"after": after, "most": limit}).rows]

    @writes
    def replace(self, account: Account) -> SqlOperation[bool]:
        try:
            return (yield from swap(account))
        except UniqueViolation:
            return False

    @writes
    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> SqlOperation[Revocation | None]:
        yield BEGIN
        # Lock the log's counter before any other row, as every operation does: one lock order, no deadlock.
        entry = yield from increment_generation(increment)
        try:
            if (yield from swap(account)) and (
                keep_session is None or (yield from move_to_generation(keep_session, increment.subject, entry.value))
            ):
                return entry
        except UniqueViolation:
            pass
        yield ROLLBACK
        return None

"""Accounts in SQL whose sessions are in Redis: a password change revokes the sessions before it is committed."""

from functools import partial

from keyturn.core.account import Account
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.types import Subject
from keyturn.stores.redis.operation import Run, RunAsync
from keyturn.stores.redis.sessions import Sessions
from keyturn.stores.sql.accounts import Accounts, find_locked, load_locked, swap
from keyturn.stores.sql.operation import BEGIN, ROLLBACK, ExternalCall, SqlOperation, UniqueViolation, writes


class AccountsWithRedisSessions(Accounts):
    """``AccountStore`` in SQL with ``sessions`` in Redis.

    The two stores have no common commit, so the order of the steps gives the guarantee: swap and lock the account's
    row, revoke the sessions, commit the account. A failure in between revokes sessions while the old password stays; no
    session survives a new password.

    Reads of an account wait while one of these changes is under way (CWE-367). Otherwise a login would read the new
    generation from Redis and the old password from SQL, and its session would outlive the change.

    ``run`` and ``run_operation_async`` run Redis operations within the SQL transaction.
    """

    def __init__(self, sessions: Sessions, run: Run, run_operation_async: RunAsync | None = None) -> None:
        self._sessions = sessions
        self._run = run
        self._run_async = run_operation_async

    @writes
    def find(self, identifier: str) -> SqlOperation[Account | None]:
        return (yield from _with_lock(find_locked(identifier)))

    @writes
    def load(self, subject: Subject) -> SqlOperation[Account | None]:
        return (yield from _with_lock(load_locked(subject)))

    @writes
    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> SqlOperation[Revocation | None]:
        yield BEGIN
        try:
            if (yield from swap(account)):
                entry: Revocation | None = (yield self._increment_generation(increment, keep_session)).rows[0]
                if entry is not None:
                    return entry
        except UniqueViolation:
            pass
        yield ROLLBACK
        return None

    def _increment_generation(self, increment: GenerationIncrement, keep_session: Session | None) -> ExternalCall:
        operation = partial(self._sessions.increment_generation_and_keep, increment, keep_session)

        async def run_async() -> object:
            return self._run(operation()) if self._run_async is None else await self._run_async(operation())

        return ExternalCall(lambda: self._run(operation()), run_async)


def _with_lock(read: SqlOperation[Account | None]) -> SqlOperation[Account | None]:
    """Run ``read`` under the lock of a change, and release the lock at once."""
    yield BEGIN
    account = yield from read
    # There is nothing to commit, and a rollback waits for neither disk nor standby.
    yield ROLLBACK
    return account

"""Accounts in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from keyturn.core.account import Account
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.types import Subject
from keyturn.stores.memory.state import MemoryState
from keyturn.stores.validate import check_storable


@dataclass(frozen=True, slots=True)
class MemoryAccounts:
    """``AccountStore`` in memory."""

    _memory: MemoryState
    _accounts: dict[Subject, Account] = field(default_factory=dict[Subject, Account])
    _subjects: dict[str, Subject] = field(default_factory=dict[str, Subject])

    def insert(self, account: Account) -> bool:
        _check_storable(account)
        with self._memory.lock:
            if account.identifier in self._subjects or account.subject in self._accounts:
                return False
            self._accounts[account.subject] = account
            self._subjects[account.identifier] = account.subject
            return True

    def find(self, identifier: str) -> Account | None:
        with self._memory.lock:
            subject = self._subjects.get(identifier)
            return None if subject is None else self._accounts[subject]

    def load(self, subject: Subject) -> Account | None:
        with self._memory.lock:
            return self._accounts.get(subject)

    def password_hashes(self, limit: int) -> Sequence[str]:
        with self._memory.lock:
            return [self._accounts[each].password_hash for each in sorted(self._accounts)[:limit]]

    def list(self, after: Subject, limit: int) -> Sequence[Account]:
        with self._memory.lock:
            return [self._accounts[each] for each in sorted(each for each in self._accounts if each > after)[:limit]]

    def replace(self, account: Account) -> bool:
        _check_storable(account)
        with self._memory.lock:
            stored = self._accounts.get(account.subject)
            if stored is None or stored.version != account.version - 1:
                return False
            if self._subjects.get(account.identifier, account.subject) != account.subject:
                return False
            del self._subjects[stored.identifier]
            self._subjects[account.identifier] = account.subject
            self._accounts[account.subject] = account
            return True

    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> Revocation | None:
        with self._memory.lock:
            if keep_session and not self._memory.can_keep(keep_session, increment.subject):
                return None
            if not self.replace(account):
                return None
            entry = self._memory.increment_generation(increment)
            if keep_session:
                self._memory.sessions[keep_session.sid] = replace(keep_session, generation=entry.value)
            return entry


def _check_storable(account: Account) -> None:
    texts = (account.subject, account.identifier, account.password_hash, account.scope)
    check_storable(*texts, account.created_at, account.version)

"""``AccountStore`` over the accounts of an application, with a mark of each subject in Keyturn's store.

The mark is a record of the landed ``AccountStore``: its version, its ``disabled`` and its swaps together with the
revocation of sessions are those of every account. The application's hash itself is never stored in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from keyturn.accounts.calls import Operation, own_call, store_call
from keyturn.accounts.mark import AccountMark, Digests, decode_mark
from keyturn.accounts.port import Login, read_login, subject_text
from keyturn.accounts.session_cache import CheckedAccounts
from keyturn.core.account import Account, own_identifier
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.types import Instant, Subject
from keyturn.errors import NotFound, StoreUnavailable
from keyturn.flows.revoke import generation_increment
from keyturn.ports import AccountStore

Present = Callable[[], tuple[Instant, IssuerConfig]]


_LIST_THERE = "The accounts are the application's: list them there."


class OwnAccountStore:
    """Definition of the ``AccountStore`` port: each method returns an operation.

    ``own``: the application's accounts. ``marks``: the ``AccountStore`` of Keyturn's store. ``present``: see
    ``Components.present``. ``apply_local``: applies a revocation to the session cache of this process.
    """

    def __init__(
        self,
        own: Any,
        marks: AccountStore,
        digests: Digests,
        checked: CheckedAccounts,
        apply_local: Callable[[Revocation], None],
        present: Present,
    ) -> None:
        self._own = own
        self._marks = marks
        self._digests = digests
        self._checked = checked
        self._apply_local = apply_local
        self._present = present
        self._subject_type: Callable[[str], Any] = getattr(own, "subject_type", None) or str

    # --- reads: each compares the account with its mark ---

    def find(self, identifier: str) -> Operation[Account | None]:
        """Find an account. The key is read first, then the account by its key, as ``load`` does."""
        login = read_login((yield from own_call(self._own.find, identifier)))
        if login is None:
            return None
        account = yield from self.load(Subject(subject_text(login.subject)))
        return None if account is None else replace(account, identifier=identifier)

    def load(self, subject: Subject) -> Operation[Account | None]:
        """Load an account; end its sessions first if the application has changed its password, or made it inactive."""
        while True:
            # The mark first: if the account is changed in between, the swap of the mark fails, and both are read again.
            started_at = self._checked.now()
            record = yield from store_call(self._marks.load, subject)
            login = yield from self._load_own(subject)
            if record is None and login is None:
                return None
            record = yield from self._compare(record, subject, login)
            if record is not None:
                self._checked.mark(subject, started_at)
                return None if login is None else _account(record, login)

    def password_hashes(self, limit: int) -> Operation[Sequence[str]]:
        """Return a sample of stored hashes; none if the application does not offer it."""
        sample = getattr(self._own, "password_hashes", None)
        if sample is None:
            return []
        hashes = yield from own_call(sample, limit)
        return [each for each in hashes if isinstance(each, str)][:limit]

    def list(self, after: Subject, limit: int) -> Operation[Sequence[Account]]:
        """Raise ``NotFound``: only the application knows its accounts, also those that have never logged in."""
        yield from ()
        raise NotFound(f"no list of {limit} accounts after {after}", hint=_LIST_THERE)

    def load_user(self, subject: Subject) -> Operation[Any]:
        """Return the application's own object of a subject, of ``user`` or else of ``load``; None if inactive."""
        login = yield from self._load_own(subject)
        if login is not None and login.active:
            load = getattr(self._own, "user", None)
            user = login if load is None else (yield from own_call(load, self._convert(subject)))
            if user is not None:
                return user
        yield from self.load(subject)  # ends its sessions now, not within a minute
        return None

    def check(self, subject: Subject) -> Operation[None]:
        """Compare an account with its mark now. Without a mark it has had no session."""
        if (yield from store_call(self._marks.load, subject)) is not None:
            yield from self.load(subject)

    # --- writes ---

    def announce_upgrade(self, subject: Subject, password_hash: str) -> Operation[None]:
        """Mark another hash of the present password, which the application is about to store: it ends no session."""
        while True:
            record = yield from store_call(self._marks.load, subject)
            digests = self._digests.of((yield from self._load_own(subject)))
            if record is None or not decode_mark(record.password_hash).matches(digests):
                return  # no session, or a change that the next comparison finds
            mark = decode_mark(record.password_hash).add_alias(self._digests.of_hash(password_hash), digests.hashes[0])
            if (yield from store_call(self._marks.replace, _record(record, record, mark, step=1))):
                return

    def insert(self, account: Account) -> Operation[bool]:
        """Create an account of the application, which chooses its subject. Raises ``NotFound`` if it offers none."""
        create = getattr(self._own, "create", None)
        if create is None:
            raise NotFound("the accounts have no create: sign-up is the application's")
        value = yield from own_call(create, account.identifier, account.password_hash)
        if value is None:
            return False
        subject = Subject(subject_text(value))
        while not (yield from self._reset(subject)):
            pass  # the mark has changed since it was read
        return True

    def replace(self, account: Account) -> Operation[bool]:
        """Store an upgraded hash, or another field of the mark. No session ends."""
        found = yield from self._load_both(account)
        if found is None:
            return False
        record, mark, login = found
        current = login.password_hash or ""
        if account.password_hash != current:
            # Both hashes are of one password. Marked first: nobody may take the new hash for a new password.
            mark = mark.add_alias(self._digests.of_hash(account.password_hash), self._digests.of_hash(current))
        if not login.active:
            # ``disabled`` of an inactive account is the application's: Keyturn's own mark stays as it is.
            account = replace(account, disabled=record.disabled)
        if not (yield from store_call(self._marks.replace, _record(account, record, mark))):
            return False
        return account.password_hash == current or (yield from self._set_password(account, current))

    def replace_and_revoke(
        self, account: Account, increment: GenerationIncrement, keep_session: Session | None = None
    ) -> Operation[Revocation | None]:
        """Store a new password, or another field of the mark, and end the sessions.

        The sessions end first, in the transaction that announces the new hash in the mark. A login that reads the old
        password after that takes the announcement back; then the sessions are ended once more. If the process fails in
        between, the sessions have ended, and either password is in force.
        """
        found = yield from self._load_both(account)
        if found is None:
            return None
        record, mark, login = found
        current, new = login.password_hash or "", account.password_hash
        announced = mark if new == current else replace(mark, pending=self._digests.of_hash(new))
        first = _record(account, record, announced)
        entry = yield from store_call(self._marks.replace_and_revoke, first, increment, keep_session)
        if entry is None or new == current:
            return entry
        if not (yield from self._set_password(account, current)):
            return None
        confirmed = _record(
            replace(account, version=first.version + 1),
            first,
            replace(mark, present=(self._digests.of_hash(new),), pending=""),
        )
        if (yield from store_call(self._marks.replace, confirmed)):
            return entry
        kept = keep_session and replace(keep_session, version=keep_session.version + 1, generation=entry.value)
        return (yield from self._revoke_anew(confirmed, increment, kept))

    def _revoke_anew(
        self, confirmed: Account, increment: GenerationIncrement, kept: Session | None
    ) -> Operation[Revocation | None]:
        # A login has used the old password since the sessions were ended.
        record = yield from store_call(self._marks.load, confirmed.subject)
        if record is None:
            return None
        again = replace(confirmed, version=record.version + 1, disabled=record.disabled)
        return (yield from store_call(self._marks.replace_and_revoke, again, increment, kept))

    def _compare(self, record: Account | None, subject: Subject, login: Login | None) -> Operation[Account | None]:
        """Compare an account with its mark, and store what is new. Return the mark, or None if it has changed."""
        digests = self._digests.of(login)
        if record is None:
            now, _ = self._present()
            mark = AccountMark(()).follow(digests)
            record = Account(subject, own_identifier(subject), mark.encode(), now)
            return record if (yield from store_call(self._marks.insert, record)) else None
        mark = decode_mark(record.password_hash)
        if mark.is_announced(digests):
            return record  # a change has stored its hash, and is about to confirm it
        if mark.matches(digests):
            confirmed = mark.confirm(digests)
            if confirmed == mark:
                return record
            # The old password is used after a change has ended the sessions: take its announcement back.
            restored = _record(record, record, confirmed, step=1)
            return restored if (yield from store_call(self._marks.replace, restored)) else None
        flags = replace(
            record,
            # Fail closed: a new password and a new person differ by ``created_at`` only.
            is_admin=record.is_admin and mark.person in digests.persons,
            disabled=record.disabled and not mark.is_created_anew(digests),
        )
        return (yield from self._end_sessions(_record(flags, record, mark.follow(digests), step=1)))

    def _reset(self, subject: Subject) -> Operation[bool]:
        """Take everything of an earlier account from a subject. Return False if its mark has changed meanwhile."""
        record = yield from store_call(self._marks.load, subject)
        digests = self._digests.of((yield from self._load_own(subject)))
        if record is None:
            return True
        flags = replace(record, is_admin=False, disabled=False)
        mark = AccountMark(()).follow(digests)
        return (yield from self._end_sessions(_record(flags, record, mark, step=1))) is not None

    def _end_sessions(self, record: Account) -> Operation[Account | None]:
        now, config = self._present()
        increment = generation_increment(record.subject, now, config)
        entry = yield from store_call(self._marks.replace_and_revoke, record, increment, None)
        if entry is None:
            return None
        self._apply_local(entry)
        return record

    def _load_both(self, account: Account) -> Operation[tuple[Account, AccountMark, Login] | None]:
        """Load the record, its mark and the account, if they are as ``account`` was read; else return None."""
        record = yield from store_call(self._marks.load, account.subject)
        if record is None or record.version != account.version - 1:
            return None
        login = yield from self._load_own(account.subject)
        digests, mark = self._digests.of(login), decode_mark(record.password_hash)
        if mark.is_announced(digests):
            # A change has stored its hash. This write confirms it: the process of that change may have failed.
            mark = mark.follow(digests)
        return (record, mark, login) if login is not None and mark.matches(digests) else None

    def _load_own(self, subject: Subject) -> Operation[Login | None]:
        value = self._convert(subject)
        if value is None:
            return None
        login = read_login((yield from own_call(self._own.load, value)))
        # "007" names no account whose key is 7: one account must not have two subjects.
        return login if login is not None and subject_text(login.subject) == subject else None

    def _convert(self, subject: Subject) -> Any:
        try:
            return self._subject_type(subject)
        except (ValueError, TypeError, ArithmeticError):
            return None  # no account can have this key

    def _set_password(self, account: Account, expected: str) -> Operation[bool]:
        value = self._convert(account.subject)
        stored = yield from own_call(self._own.set_password, value, account.password_hash, expected)
        if not isinstance(stored, bool):
            raise StoreUnavailable(f"accounts.set_password must return a bool, not {type(stored).__name__}")
        return stored


def _account(record: Account, login: Login) -> Account:
    return replace(
        record,
        identifier=login.identifier or record.identifier,
        password_hash=login.password_hash or "",
        disabled=record.disabled or not login.active,
        scope=login.scope,
    )


def _record(account: Account, record: Account, mark: AccountMark, step: int = 0) -> Account:
    """Return the record of ``account`` with ``mark``. ``step``: added to its version."""
    version = account.version + step
    encoded = mark.encode()
    return replace(account, version=version, identifier=record.identifier, scope=record.scope, password_hash=encoded)

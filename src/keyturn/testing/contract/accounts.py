"""Contract for accounts."""

from dataclasses import replace

import pytest

from keyturn.core.account import Account
from keyturn.core.session import LoadedSession, RevocationFloor
from keyturn.core.types import Subject
from keyturn.errors import BadRequest
from keyturn.testing.contract.records import (
    STRANGE_TEXTS,
    UNSTORABLE_TEXTS,
    Store,
    new_account,
    new_increment,
    new_name,
    new_session,
)


class AccountContract:
    """Tests of insert, find, load, replace and replace_and_revoke."""

    def test_a_stored_account_is_loaded_unchanged(self, store: Store) -> None:
        for flag in (False, True):
            account = new_account(disabled=flag, version=3, scope="orders:read profile" * flag, is_admin=flag)
            assert store.accounts.insert(account) is True
            assert store.accounts.find(account.identifier) == account
            assert store.accounts.load(account.subject) == account
            for name in ("disabled", "is_admin"):
                assert type(getattr(store.accounts.load(account.subject), name, None)) is bool

    def test_an_unknown_account_loads_as_none(self, store: Store) -> None:
        assert store.accounts.find(new_name()) is None
        assert store.accounts.load(Subject(new_name())) is None

    def test_a_duplicate_identifier_is_refused(self, store: Store) -> None:
        account = new_account()
        assert store.accounts.insert(account) is True
        second = new_account(identifier=account.identifier)
        assert store.accounts.insert(second) is False
        assert store.accounts.find(account.identifier) == account
        assert store.accounts.load(second.subject) is None

    def test_a_duplicate_subject_is_refused(self, store: Store) -> None:
        account = new_account()
        assert store.accounts.insert(account) is True
        second = new_account(subject=account.subject)
        assert store.accounts.insert(second) is False
        assert store.accounts.find(second.identifier) is None

    def test_similar_identifiers_are_distinct(self, store: Store) -> None:
        for text in STRANGE_TEXTS:
            account = new_account(identifier=f"é{text}", password_hash=text)
            assert store.accounts.insert(account) is True
            # Collation, case, Unicode normalization and trailing spaces must not make two identifiers equal.
            for variant in (f"e{text}", f"E\u0301{text}", f"é{text} ", f"É{text}"):
                assert store.accounts.find(variant) is None
            assert store.accounts.find(account.identifier) == account

    def test_an_unstorable_identifier_is_refused(self, store: Store) -> None:
        for text in UNSTORABLE_TEXTS:
            account = new_account(identifier=f"{text}@example.com")
            with pytest.raises(BadRequest):
                store.accounts.insert(account)
            assert store.accounts.load(account.subject) is None

    def test_every_account_is_on_one_page_of_the_list(self, store: Store) -> None:
        stored = [new_account(scope="profile", is_admin=True) for _ in range(5)]
        for account in stored:
            assert store.accounts.insert(account) is True
        listed: list[Account] = []
        after = Subject("")
        while page := store.accounts.list(after, 2):
            assert len(page) <= 2
            listed += page
            after = page[-1].subject
        assert len({each.subject for each in listed}) == len(listed)
        assert [each for each in stored if each not in listed] == []
        first = store.accounts.list(Subject(""), 3)
        assert store.accounts.list(first[0].subject, 2) == first[1:]

    def test_a_sample_of_hashes_is_bounded_and_always_the_same(self, store: Store) -> None:
        stored = [new_account(password_hash=f"hash of {new_name()}") for _ in range(3)]
        for account in stored:
            assert store.accounts.insert(account) is True
        hashes = list(store.accounts.password_hashes(1_000_000))
        assert {each.password_hash for each in stored} <= set(hashes)
        assert list(store.accounts.password_hashes(2)) == hashes[:2]

    def test_the_next_version_replaces_an_account(self, store: Store) -> None:
        account = new_account()
        store.accounts.insert(account)
        changed = replace(
            account,
            identifier=f"{new_name()}@example.org",
            password_hash="other",
            disabled=True,
            version=1,
            scope="orders:read",
            is_admin=True,
        )
        assert store.accounts.replace(changed) is True
        assert store.accounts.load(account.subject) == store.accounts.find(changed.identifier) == changed
        assert store.accounts.find(account.identifier) is None

    def test_any_other_version_does_not_replace_an_account(self, store: Store) -> None:
        for version in (0, 2):
            account = new_account()
            store.accounts.insert(account)
            assert store.accounts.replace(replace(account, disabled=True, version=version)) is False
            assert store.accounts.load(account.subject) == account

    def test_replacing_an_unknown_account_is_refused(self, store: Store) -> None:
        account = new_account(version=1)
        assert store.accounts.replace(account) is False
        assert store.accounts.load(account.subject) is None

    def test_replacing_with_a_duplicate_identifier_is_refused(self, store: Store) -> None:
        owner, other = new_account(), new_account()
        store.accounts.insert(owner)
        store.accounts.insert(other)
        assert store.accounts.replace(replace(other, identifier=owner.identifier, version=1)) is False
        assert store.accounts.find(owner.identifier) == owner
        assert store.accounts.load(other.subject) == other

    def test_replace_and_revoke_is_atomic(self, store: Store) -> None:
        account = new_account()
        store.accounts.insert(account)
        session = new_session(subject=account.subject)
        store.sessions.insert(session)
        changed = replace(account, password_hash="other", version=1)
        entry = store.accounts.replace_and_revoke(changed, new_increment(account.subject))
        assert entry is not None
        assert store.log.snapshot().entries == (entry,)
        assert store.accounts.load(account.subject) == changed
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor(1))

    def test_a_lost_account_swap_revokes_no_session(self, store: Store) -> None:
        account, owner = new_account(), new_account()
        store.accounts.insert(account)
        store.accounts.insert(owner)
        session = new_session(subject=account.subject)
        store.sessions.insert(session)
        outdated = replace(account, version=4)
        duplicate = replace(account, identifier=owner.identifier, version=1)
        for losing in (outdated, duplicate):
            assert store.accounts.replace_and_revoke(losing, new_increment(account.subject)) is None
        assert store.accounts.load(account.subject) == account
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())
        assert store.log.sequence() == 0

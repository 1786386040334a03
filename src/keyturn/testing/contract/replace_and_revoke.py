"""Contract for replacing an account while one of its sessions is kept, in one transaction."""

from dataclasses import replace

from keyturn.core.session import LoadedSession, RevocationFloor
from keyturn.testing.contract.records import (
    NOW,
    Store,
    new_account,
    new_increment,
    new_session,
    run_in_threads,
    session_revocation,
)


class ReplaceAndRevokeContract:
    """Tests of ``replace_and_revoke`` with ``keep_session``."""

    def test_keep_session_is_stored_at_the_new_generation(self, store: Store) -> None:
        account = new_account()
        session, other = new_session(subject=account.subject), new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        store.sessions.insert(other)
        changed, kept = replace(account, password_hash="other", version=1), replace(session, renewals=7, version=1)
        entry = store.accounts.replace_and_revoke(changed, new_increment(account.subject), kept)
        assert entry is not None
        assert entry.value == 1
        assert store.log.snapshot().entries == (entry,)
        assert store.accounts.load(account.subject) == changed
        assert store.sessions.load(session.sid) == LoadedSession(replace(kept, generation=1), RevocationFloor(1))
        assert store.sessions.load(other.sid) == LoadedSession(other, RevocationFloor(1))

    def test_an_invalid_keep_session_aborts_the_transaction(self, store: Store) -> None:
        for case in ("behind", "ahead", "ended", "void", "missing", "another subject"):
            account = new_account()
            owner = new_account().subject if case == "another subject" else account.subject
            session = new_session(subject=owner)
            store.accounts.insert(account)
            if case != "missing":
                store.sessions.insert(session)
            if case == "ended":
                store.sessions.replace(replace(session, ended_at=NOW, version=1), session_revocation(session))
            if case == "void":
                store.sessions.increment_generation(new_increment(account.subject))
            before = store.sessions.load(session.sid), store.log.sequence()
            kept = replace(session, renewals=7, version={"behind": 0, "ahead": 2}.get(case, 1))
            changed = replace(account, password_hash="other", version=1)
            assert store.accounts.replace_and_revoke(changed, new_increment(account.subject), kept) is None
            assert store.accounts.load(account.subject) == account
            assert (store.sessions.load(session.sid), store.log.sequence()) == before

    def test_a_lost_account_swap_leaves_keep_session_unchanged(self, store: Store) -> None:
        account, owner = new_account(), new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.accounts.insert(owner)
        store.sessions.insert(session)
        kept = replace(session, renewals=7, version=1)
        outdated = replace(account, version=4)
        duplicate = replace(account, identifier=owner.identifier, version=1)
        for losing in (outdated, duplicate):
            assert store.accounts.replace_and_revoke(losing, new_increment(account.subject), kept) is None
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())
        assert store.log.sequence() == 0

    def test_keep_session_and_a_racing_rotation_exclude_each_other(self, store: Store) -> None:
        account = new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        changed, kept = replace(account, password_hash="other", version=1), replace(session, renewals=1, version=1)
        rotated = replace(session, rotations=1, version=1)
        run_in_threads(
            [
                lambda: store.accounts.replace_and_revoke(changed, new_increment(account.subject), kept) is not None,
                lambda: store.sessions.replace(rotated) is not None,
            ]
        )
        loaded, stored = store.sessions.load(session.sid), store.accounts.load(account.subject)
        after_change = LoadedSession(replace(kept, generation=1), RevocationFloor(1)), changed
        assert (loaded, stored) in (after_change, (LoadedSession(rotated, RevocationFloor()), account))

"""What a store must do when an account changes and one of its sessions is kept: all of it at once, or nothing."""

from dataclasses import replace

from keyturn.core.session import LoadedSession, RevocationFloor
from keyturn.testing.contract.records import NOW, Store, at_once, ending, new_account, new_session, voiding


class KeepingContract:
    """``replace_and_revoke`` with a session to keep."""

    def test_the_session_to_keep_is_stored_at_the_new_generation(self, store: Store) -> None:
        account = new_account()
        session, other = new_session(subject=account.subject), new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        store.sessions.insert(other)
        changed, kept = replace(account, password_hash="other", version=1), replace(session, renewals=7, version=1)
        entry = store.accounts.replace_and_revoke(changed, voiding(account.subject), kept)
        assert entry is not None
        assert entry.value == 1
        assert store.log.snapshot().entries == (entry,)
        assert store.accounts.load(account.subject) == changed
        assert store.sessions.load(session.sid) == LoadedSession(replace(kept, generation=1), RevocationFloor(1))
        assert store.sessions.load(other.sid) == LoadedSession(other, RevocationFloor(1))

    def test_a_session_that_cannot_be_kept_stops_all_of_it(self, store: Store) -> None:
        for why in ("behind", "ahead", "ended", "void", "gone", "somebody else's"):
            account = new_account()
            owner = new_account().subject if why == "somebody else's" else account.subject
            session = new_session(subject=owner)
            store.accounts.insert(account)
            if why != "gone":
                store.sessions.insert(session)
            if why == "ended":
                store.sessions.replace(replace(session, ended_at=NOW, version=1), ending(session))
            if why == "void":
                store.sessions.increment_generation(voiding(account.subject))
            before = store.sessions.load(session.sid), store.log.sequence()
            kept = replace(session, renewals=7, version={"behind": 0, "ahead": 2}.get(why, 1))
            changed = replace(account, password_hash="other", version=1)
            assert store.accounts.replace_and_revoke(changed, voiding(account.subject), kept) is None
            assert store.accounts.load(account.subject) == account
            assert (store.sessions.load(session.sid), store.log.sequence()) == before

    def test_an_account_that_lost_its_swap_keeps_no_session(self, store: Store) -> None:
        account, owner = new_account(), new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.accounts.insert(owner)
        store.sessions.insert(session)
        kept = replace(session, renewals=7, version=1)
        late = replace(account, version=4)
        usurping = replace(account, identifier=owner.identifier, version=1)
        for losing in (late, usurping):
            assert store.accounts.replace_and_revoke(losing, voiding(account.subject), kept) is None
        assert store.sessions.load(session.sid) == LoadedSession(session, RevocationFloor())
        assert store.log.sequence() == 0

    def test_a_session_is_kept_or_rotated_never_both_on_one_version(self, store: Store) -> None:
        account = new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        changed, kept = replace(account, password_hash="other", version=1), replace(session, renewals=1, version=1)
        rotated = replace(session, rotations=1, version=1)
        at_once(
            [
                lambda: store.accounts.replace_and_revoke(changed, voiding(account.subject), kept) is not None,
                lambda: store.sessions.replace(rotated) is not None,
            ]
        )
        found, stored = store.sessions.load(session.sid), store.accounts.load(account.subject)
        changing = LoadedSession(replace(kept, generation=1), RevocationFloor(1)), changed
        assert (found, stored) in (changing, (LoadedSession(rotated, RevocationFloor()), account))

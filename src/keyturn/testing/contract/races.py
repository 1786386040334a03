"""Contract for concurrent calls: many threads, one store."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event
from time import monotonic

from keyturn.core.account import Account
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.testing.contract.records import (
    LATER,
    NOW,
    Store,
    new_account,
    new_increment,
    new_name,
    new_session,
    run_in_threads,
    session_revocation,
)
from keyturn.testing.contract.throttles_keys_audit import new_key

_THREADS = 8
ROUNDS = 10

RACE_SECONDS = 5.0
"""Longest race of a writer that two other callers keep waiting: on a busy machine, each of its writes takes seconds."""


class RaceContract:
    """Tests of the race guarantees of the ports."""

    def test_one_of_racing_session_swaps_wins(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        for version in range(1, ROUNDS + 1):
            rivals = [replace(session, scope=f"rival {n}", version=version) for n in range(_THREADS)]
            results = run_in_threads([partial(_replace_scope, store, rival) for rival in rivals])
            winners = [scope for scope, sequence in results if sequence is not None]
            loaded = store.sessions.load(session.sid)
            assert loaded is not None
            assert winners == [loaded.session.scope]

    def test_one_of_racing_revocations_is_logged(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        ended = replace(session, ended_at=NOW, version=1)
        results = run_in_threads(
            [partial(store.sessions.replace, ended, session_revocation(session)) for _ in range(_THREADS)]
        )
        assert sorted(results, key=str) == [1, *[None] * (_THREADS - 1)]
        assert len(store.log.snapshot().entries) == 1

    def test_racing_increments_each_raise_the_generation(self, store: Store) -> None:
        subject = Subject(new_name())
        entries = run_in_threads(
            [partial(store.sessions.increment_generation, new_increment(subject)) for _ in range(_THREADS)]
        )
        in_order = sorted(entries, key=lambda entry: entry.sequence)
        assert [(entry.sequence, entry.value) for entry in in_order] == [(n, n) for n in range(1, _THREADS + 1)]
        assert store.sessions.revocation_floor(subject, "default").generation == _THREADS

    def test_one_of_racing_signups_wins(self, store: Store) -> None:
        for _ in range(ROUNDS):
            identifier = f"{new_name()}@example.com"
            rivals = [new_account(identifier=identifier) for _ in range(_THREADS)]
            results = run_in_threads([partial(store.accounts.insert, rival) for rival in rivals])
            assert sorted(results) == [*[False] * (_THREADS - 1), True]
            assert store.accounts.find(identifier) in rivals

    def test_one_of_racing_password_changes_wins(self, store: Store) -> None:
        account = new_account()
        store.accounts.insert(account)
        rivals = [replace(account, password_hash=new_name(), version=1) for _ in range(_THREADS)]
        change = store.accounts.replace_and_revoke
        results = run_in_threads([partial(change, rival, new_increment(account.subject)) for rival in rivals])
        entries = [entry for entry in results if entry is not None]
        assert list(store.log.snapshot().entries) == entries
        assert [entry.value for entry in entries] == [1]

    def test_one_of_racing_first_attempts_is_stored(self, store: Store) -> None:
        bucket = Bucket(new_name(), 1, NOW, 1)
        results = run_in_threads([partial(store.throttles.replace, bucket) for _ in range(_THREADS)])
        assert sorted(results) == [*[False] * (_THREADS - 1), True]

    def test_one_of_racing_rollovers_adds_a_key(self, store: Store) -> None:
        results = run_in_threads([partial(store.keys.insert, new_key(1)) for _ in range(_THREADS)])
        assert sorted(results) == [*[False] * (_THREADS - 1), True]
        assert len(store.keys.list()) == 1

    def test_racing_password_changes_lose_no_rotation(self, store: Store) -> None:
        account = new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        calls: list[Callable[[], object]] = [partial(_rotate, store, session) for _ in range(4)]
        calls += [partial(_change_and_keep_session, store, account, session) for _ in range(4)]
        run_in_threads(calls)
        loaded = store.sessions.load(session.sid)
        assert loaded is not None
        assert loaded.session.rotations == 4
        assert loaded.session.generation == loaded.floor.generation == 4
        assert loaded.session.version == 8

    def test_a_follower_reads_every_sequence_number_in_order(self, store: Store) -> None:
        done = Event()
        writers = [partial(_revoke_all_kinds, store) for _ in range(4)]

        def write() -> list[int]:
            try:
                run_in_threads(writers)
            finally:
                done.set()
            return []

        calls: list[Callable[[], list[int]]] = [write, partial(_follow, store, done)]
        sequences = max(run_in_threads(calls), key=len)
        assert sequences == list(range(1, len(sequences) + 1))
        assert sequences[-1] == store.log.sequence() == 4 * 4 * ROUNDS

    def test_a_concurrent_purge_makes_a_page_incomplete(self, store: Store) -> None:
        done = Event()

        def write() -> int:
            stop_at = monotonic() + RACE_SECONDS
            for n in range(10 * ROUNDS):
                entry = Revocation(RevocationKind.CLIENT, new_name(), n, NOW, NOW if n % 2 else LATER)
                store.sessions.raise_not_before(entry)
                if monotonic() > stop_at:
                    break
            done.set()
            return 0

        def purge() -> int:
            while not done.is_set():
                store.sessions.purge(NOW)
            return 0

        calls: list[Callable[[], int]] = [write, purge, partial(_count_missed, store, done)]
        assert sum(run_in_threads(calls)) == 0

    def test_a_concurrent_purge_does_not_delete_an_extended_session(self, store: Store) -> None:
        session = new_session(expires_at=NOW + 1)
        store.sessions.insert(session)

        def use() -> Session:
            used = session
            for n in range(1, 5 * ROUNDS):
                used = replace(used, expires_at=Instant(NOW + 1 + n), version=n)
                assert store.sessions.replace(used) == 0
            return used

        def purge() -> Session:
            for _ in range(2 * ROUNDS):
                assert store.sessions.purge(NOW) == 0
            return session

        used = run_in_threads([use, purge, purge])
        loaded = store.sessions.load(session.sid)
        assert loaded is not None
        assert loaded.session in used


def _replace_scope(store: Store, session: Session) -> tuple[str, int | None]:
    return session.scope, store.sessions.replace(session)


def _rotate(store: Store, session: Session) -> None:
    while True:
        loaded = store.sessions.load(session.sid)
        assert loaded is not None
        stored = loaded.session
        if store.sessions.replace(replace(stored, rotations=stored.rotations + 1, version=stored.version + 1)) == 0:
            return


def _change_and_keep_session(store: Store, account: Account, session: Session) -> None:
    while True:
        loaded, stored_account = store.sessions.load(session.sid), store.accounts.load(account.subject)
        assert loaded is not None
        assert stored_account is not None
        kept = replace(loaded.session, version=loaded.session.version + 1)
        changed = replace(stored_account, version=stored_account.version + 1)
        if store.accounts.replace_and_revoke(changed, new_increment(account.subject), kept) is not None:
            return


def _revoke_all_kinds(store: Store) -> None:
    account = new_account()
    store.accounts.insert(account)
    for n in range(1, ROUNDS + 1):
        session = new_session(subject=account.subject)
        store.sessions.insert(session)
        account = replace(account, version=n)
        revoke_calls: list[Callable[[], object]] = [
            partial(store.sessions.increment_generation, new_increment(session.subject)),
            partial(store.sessions.raise_not_before, Revocation(RevocationKind.CLIENT, new_name(), NOW, NOW, LATER)),
            partial(store.accounts.replace_and_revoke, account, new_increment(session.subject)),
        ]
        for revoke in revoke_calls:
            assert revoke() is not None
        # Two increments came after the insert; end the session at its current version.
        loaded = store.sessions.load(session.sid)
        assert loaded is not None
        ended = replace(loaded.session, ended_at=NOW, version=loaded.session.version + 1)
        assert store.sessions.replace(ended, session_revocation(session)) is not None


def _follow(store: Store, done: Event) -> list[int]:
    sequences: list[int] = []
    position = 0
    while not (done.is_set() and store.log.sequence() == position):
        page = store.log.after(position, 3)
        assert page.complete
        sequences.extend(entry.sequence for entry in page.entries)
        position = page.sequence
    return sequences


def _count_missed(store: Store, done: Event) -> int:
    """Count the entries that a follower missed although its pages were complete."""
    position = missing_count = 0
    while not (done.is_set() and store.log.sequence() == position):
        page = store.log.after(position, 3)
        if page.complete:
            missing_count += [entry.sequence for entry in page.entries] != list(range(position + 1, page.sequence + 1))
        else:
            page = store.log.snapshot()
        position = page.sequence
    return missing_count

"""What a store must do when everything happens at once: real threads, one store."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

from keyturn.core.account import Account
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.testing.contract.ledgers import new_key
from keyturn.testing.contract.records import (
    LATER,
    NOW,
    Store,
    at_once,
    ending,
    new_account,
    new_name,
    new_session,
    voiding,
)

THREADS = 8
ROUNDS = 10


class RaceContract:
    """Of any number of racing calls, what the ports promise."""

    def test_of_racing_swaps_exactly_one_wins(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        for version in range(1, ROUNDS + 1):
            rivals = [replace(session, scope=f"rival {n}", version=version) for n in range(THREADS)]
            answers = at_once([partial(_named, store, rival) for rival in rivals])
            winners = [scope for scope, sequence in answers if sequence is not None]
            found = store.sessions.load(session.sid)
            assert found is not None
            assert winners == [found.session.scope]

    def test_of_racing_revocations_exactly_one_is_logged(self, store: Store) -> None:
        session = new_session()
        store.sessions.insert(session)
        ended = replace(session, ended_at=NOW, version=1)
        answers = at_once([partial(store.sessions.replace, ended, ending(session)) for _ in range(THREADS)])
        assert sorted(answers, key=str) == [1, *[None] * (THREADS - 1)]
        assert len(store.log.snapshot().entries) == 1

    def test_racing_voids_each_raise_the_generation(self, store: Store) -> None:
        subject = Subject(new_name())
        entries = at_once([partial(store.sessions.increment_generation, voiding(subject)) for _ in range(THREADS)])
        in_order = sorted(entries, key=lambda entry: entry.sequence)
        assert [(entry.sequence, entry.value) for entry in in_order] == [(n, n) for n in range(1, THREADS + 1)]
        assert store.sessions.revocation_floor(subject, "default").generation == THREADS

    def test_of_racing_signups_exactly_one_wins(self, store: Store) -> None:
        for _ in range(ROUNDS):
            identifier = f"{new_name()}@example.com"
            rivals = [new_account(identifier=identifier) for _ in range(THREADS)]
            answers = at_once([partial(store.accounts.insert, rival) for rival in rivals])
            assert sorted(answers) == [*[False] * (THREADS - 1), True]
            assert store.accounts.find(identifier) in rivals

    def test_of_racing_password_changes_exactly_one_wins(self, store: Store) -> None:
        account = new_account()
        store.accounts.insert(account)
        rivals = [replace(account, password_hash=new_name(), version=1) for _ in range(THREADS)]
        change = store.accounts.replace_and_revoke
        answers = at_once([partial(change, rival, voiding(account.subject)) for rival in rivals])
        won = [entry for entry in answers if entry is not None]
        assert list(store.log.snapshot().entries) == won
        assert [entry.value for entry in won] == [1]

    def test_of_racing_first_attempts_exactly_one_is_stored(self, store: Store) -> None:
        bucket = Bucket(new_name(), 1, NOW, 1)
        answers = at_once([partial(store.throttles.replace, bucket) for _ in range(THREADS)])
        assert sorted(answers) == [*[False] * (THREADS - 1), True]

    def test_of_racing_rollovers_exactly_one_key_is_added(self, store: Store) -> None:
        answers = at_once([partial(store.keys.insert, new_key(1)) for _ in range(THREADS)])
        assert sorted(answers) == [*[False] * (THREADS - 1), True]
        assert len(store.keys.list()) == 1

    def test_the_kept_session_loses_no_rotation(self, store: Store) -> None:
        account = new_account()
        session = new_session(subject=account.subject)
        store.accounts.insert(account)
        store.sessions.insert(session)
        calls: list[Callable[[], object]] = [partial(_rotate, store, session) for _ in range(4)]
        calls += [partial(_change_and_keep, store, account, session) for _ in range(4)]
        at_once(calls)
        found = store.sessions.load(session.sid)
        assert found is not None
        assert found.session.rotations == 4
        assert found.session.generation == found.floor.generation == 4
        assert found.session.version == 8

    def test_a_follower_sees_every_number_in_order(self, store: Store) -> None:
        done = Event()
        writers = [partial(_revoke_in_every_way, store) for _ in range(4)]

        def write() -> list[int]:
            try:
                at_once(writers)
            finally:
                done.set()
            return []

        calls: list[Callable[[], list[int]]] = [write, partial(_follow, store, done)]
        seen = max(at_once(calls), key=len)
        assert seen == list(range(1, len(seen) + 1))
        assert seen[-1] == store.log.sequence() == 4 * 4 * ROUNDS

    def test_a_purge_beside_a_follower_is_noticed(self, store: Store) -> None:
        done = Event()

        def write() -> int:
            for n in range(10 * ROUNDS):
                store.sessions.raise_not_before(
                    Revocation(RevocationKind.CLIENT, new_name(), n, NOW, NOW if n % 2 else LATER)
                )
            done.set()
            return 0

        def purge() -> int:
            while not done.is_set():
                store.sessions.purge(NOW)
            return 0

        calls: list[Callable[[], int]] = [write, purge, partial(_missed, store, done)]
        assert sum(at_once(calls)) == 0

    def test_a_purge_never_takes_a_session_in_use(self, store: Store) -> None:
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

        used = at_once([use, purge, purge])
        found = store.sessions.load(session.sid)
        assert found is not None
        assert found.session in used


def _named(store: Store, session: Session) -> tuple[str, int | None]:
    return session.scope, store.sessions.replace(session)


def _rotate(store: Store, session: Session) -> None:
    while True:
        found = store.sessions.load(session.sid)
        assert found is not None
        stored = found.session
        if store.sessions.replace(replace(stored, rotations=stored.rotations + 1, version=stored.version + 1)) == 0:
            return


def _change_and_keep(store: Store, account: Account, session: Session) -> None:
    while True:
        found, changing = store.sessions.load(session.sid), store.accounts.load(account.subject)
        assert found is not None
        assert changing is not None
        kept = replace(found.session, version=found.session.version + 1)
        changed = replace(changing, version=changing.version + 1)
        if store.accounts.replace_and_revoke(changed, voiding(account.subject), kept) is not None:
            return


def _revoke_in_every_way(store: Store) -> None:
    account = new_account()
    store.accounts.insert(account)
    for n in range(1, ROUNDS + 1):
        session = new_session(subject=account.subject)
        store.sessions.insert(session)
        account = replace(account, version=n)
        ways: list[Callable[[], object]] = [
            partial(store.sessions.increment_generation, voiding(session.subject)),
            partial(store.sessions.raise_not_before, Revocation(RevocationKind.CLIENT, new_name(), NOW, NOW, LATER)),
            partial(store.accounts.replace_and_revoke, account, voiding(session.subject)),
        ]
        for way in ways:
            assert way() is not None
        # The session was opened before two more voids; it is ended under whatever version it has now.
        found = store.sessions.load(session.sid)
        assert found is not None
        ended = replace(found.session, ended_at=NOW, version=found.session.version + 1)
        assert store.sessions.replace(ended, ending(session)) is not None


def _follow(store: Store, done: Event) -> list[int]:
    seen: list[int] = []
    position = 0
    while not (done.is_set() and store.log.sequence() == position):
        page = store.log.after(position, 3)
        assert page.complete
        seen.extend(entry.sequence for entry in page.entries)
        position = page.sequence
    return seen


def _missed(store: Store, done: Event) -> int:
    """Entries a follower did not see although every page said it was complete."""
    position = missed = 0
    while not (done.is_set() and store.log.sequence() == position):
        page = store.log.after(position, 3)
        if page.complete:
            missed += [entry.sequence for entry in page.entries] != list(range(position + 1, page.sequence + 1))
        else:
            page = store.log.snapshot()
        position = page.sequence
    return missed

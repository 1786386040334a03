"""kill -9 of the PostgreSQL server during rotations, several times, under stores that stay open.

No acknowledged write is lost, there is one lineage, ended sessions stay ended, and the others stay valid.
"""

import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest

from effort import effort
from interleavings.child import REALM, bystander, counter, logged_in_users, opened, use
from interleavings.harness import T0, make_test_ports
from interleavings.test_kill import Ledger, alive
from keyturn.errors import StoreUnavailable
from keyturn.flows.drive import drive
from keyturn.flows.revoke import revoke_session
from keyturn.stores.open import open_store
from services.postgres import Postgres
from services.process import until

ROUNDS = effort(2, 6)
BYSTANDERS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.remove()


class Writers:
    """A client that refreshes without end, and an operator who ends strangers' sessions. Both try again what failed."""

    def __init__(self, store: Any, first: str, strangers: list[Any]) -> None:
        self.store, self.strangers = store, strangers
        self.ledger, self.text, self.stop = Ledger(), first, Event()
        self.refusals: set[str] = set()
        self.tried: set[str] = set()
        self.ledger.note("T", first)
        self.threads = [Thread(target=self._refresh), Thread(target=self._end)]

    def _refresh(self) -> None:
        while not self.stop.is_set():
            answer = use(self.store, self.text)
            if answer.startswith("kt_"):
                self.ledger.note("T", answer)
                self.text = answer
            else:
                self.refusals.add(answer)

    def _end(self) -> None:
        for each in self.strangers:
            sid = each.session.sid
            while not self.stop.wait(0.01):
                self.tried.add(str(sid))
                try:
                    drive(revoke_session(sid, "logout", T0, REALM), make_test_ports(self.store))
                except StoreUnavailable:
                    continue
                self.ledger.ended.add(str(sid))
                break


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_the_server_killed_in_mid_rotation(
    server: Postgres, scheme: str, record_property: Callable[[str, object], None]
) -> None:
    url = server.database().replace("postgresql", scheme, 1)
    store, chance = opened(url), random.Random(7)
    plain = open_store(url)
    (issued,) = logged_in_users(plain, 1)
    writers = Writers(store, issued.refresh_token.reveal(), [bystander(plain, each) for each in range(BYSTANDERS)])
    for each in writers.threads:
        each.start()
    try:
        for _ in range(ROUNDS):
            reached = len(writers.ledger.lineage)
            until(lambda: len(writers.ledger.lineage) > reached + 5, lambda: "it does not go on")  # noqa: B023 - at once
            time.sleep(chance.uniform(0.0, 0.2))
            server.kill()
            server.start()
        reached = len(writers.ledger.lineage)
        until(lambda: len(writers.ledger.lineage) > reached, lambda: "it does not go on after the last")
    finally:
        writers.stop.set()
        for each in writers.threads:
            each.join()
    assert writers.refusals == {"store_unavailable"}
    judge(plain, issued, writers)
    turns = f"{len(writers.ledger.lineage) - 1} rotations and {len(writers.ledger.ended)} revocations acknowledged"
    record_property("figure", f"{scheme}, server killed {ROUNDS} times: {turns}, none lost")
    store.close()
    plain.close()


def judge(store: Any, issued: Any, writers: Writers) -> None:
    found = store.sessions.load(issued.session.sid)
    assert found.session.ended_at is None
    assert found.session.rotations - max(writers.ledger.lineage) in (0, 1), "an acknowledged rotation was lost"
    assert counter(use(store, writers.ledger.in_hand)) == max(writers.ledger.lineage) + 1
    assert writers.ledger.ended
    for each in writers.strangers:
        sid = str(each.session.sid)
        assert sid not in writers.ledger.ended or not alive(store, each), "a revoked session is alive again"
        assert sid in writers.tried or alive(store, each), "somebody was logged out"

"""kill -9 of a process during rotations.

No acknowledged write is lost, the last token works, there is one lineage, and no revoked session is valid again.
"""

import multiprocessing
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from effort import effort
from interleavings.child import REALM, bystander, counter, logged_in_users, patiently, rotate_until_killed, rotated, use
from interleavings.harness import T0, make_test_ports
from keyturn.errors import Refusal
from keyturn.flows.drive import drive
from keyturn.flows.introspect import introspect
from keyturn.stores.open import RedisSessions, open_store

KILLS = effort(4, 40)
BYSTANDERS = 400
PATIENCE_SECONDS = 60.0


@dataclass
class Ledger:
    """What the killed processes were told had been done."""

    lineage: dict[int, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def read(self, pipe: Connection, most: int = sys.maxsize) -> None:
        """Take that many acknowledgements, or all until the pipe is closed."""
        for _ in range(most):
            assert pipe.poll(PATIENCE_SECONDS), "the child does not go on"
            try:
                message = pipe.recv_bytes().decode()
            except EOFError:
                return
            self.note(message[0], message[1:])

    def note(self, what: str, text: str) -> None:
        if what != "T":
            self.ended.add(text)
            return
        assert self.lineage.setdefault(counter(text), text) == text, "a second lineage"

    @property
    def in_hand(self) -> str:
        return self.lineage[max(self.lineage)]


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Children forked from a process that has imported everything and done nothing."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["interleavings.child"])
    return context


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "postgresql+asyncpg", "redis", "redis cluster"])
def test_killed_in_mid_rotation(
    kind: str,
    url: str,
    redis_sessions: RedisSessions | None,
    forks: Any,
    record_property: Callable[[str, object], None],
) -> None:
    store = open_store(url, redis_sessions=redis_sessions)
    (issued,) = logged_in_users(store, 1)
    strangers = [bystander(store, number) for number in range(BYSTANDERS)]
    doomed = [
        ("S", str(each.session.sid)) if number % 2 else ("P", str(each.session.subject))
        for number, each in enumerate(strangers)
    ]
    store.close()
    ledger, chance, unacknowledged = Ledger(), random.Random(8), 0
    ledger.note("T", issued.refresh_token.reveal())
    for _ in range(KILLS):
        left = [each for each in doomed if each[1] not in ledger.ended]
        rotate_and_kill(forks, (url, redis_sessions), ledger, left, chance)
        unacknowledged += check(url, redis_sessions, ledger, issued.session.sid, strangers)
    turns = f"{len(ledger.lineage) - 1} rotations and {len(ledger.ended)} revocations acknowledged"
    record_property(
        "figure",
        f"{kind}, {KILLS} kills: {turns}, {unacknowledged} rotations done but not acknowledged",
    )
    assert len(ledger.lineage) > KILLS
    assert ledger.ended


def rotate_and_kill(
    forks: Any, where: tuple[str, RedisSessions | None], ledger: Ledger, doomed: list[Any], chance: random.Random
) -> None:
    """Kill after a few acknowledgements, at any moment of what comes next."""
    ours, theirs = forks.Pipe(duplex=False)
    child = forks.Process(target=rotate_until_killed, args=(*where, ledger.in_hand, doomed, theirs))
    child.start()
    theirs.close()
    ledger.read(ours, chance.randint(1, 12))
    time.sleep(chance.uniform(0.0, 0.01))
    child.kill()
    child.join(PATIENCE_SECONDS)
    ledger.read(ours)
    ours.close()


def check(url: str, redis_sessions: RedisSessions | None, ledger: Ledger, sid: Any, strangers: list[Any]) -> int:
    """Open what the killed process left. Answers how many rotations it had done without saying so: none or one."""
    if url.startswith("sqlite"):
        assert sqlite3.connect(url.removeprefix("sqlite:///")).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = open_store(url, redis_sessions=redis_sessions)
    found = patiently(lambda: store.sessions.load(sid))
    assert found is not None
    assert found.session.ended_at is None
    unacknowledged = found.session.rotations - max(ledger.lineage)
    assert unacknowledged in (0, 1), "an acknowledged rotation was lost"
    successor = patiently(lambda: rotated(store, ledger.in_hand))
    assert counter(successor) == max(ledger.lineage) + 1
    ledger.note("T", successor)
    for each in strangers:
        if {each.session.sid, each.session.subject} & ledger.ended:
            assert not alive(store, each), "a revoked session is alive again"
    store.close()
    return unacknowledged


def alive(store: Any, issued: Any) -> bool:
    for token in (issued.refresh_token, issued.access_token):
        try:
            answer = drive(introspect(token.reveal(), T0, REALM), make_test_ports(store))
        except Refusal:
            continue
        if answer["active"]:
            return True
    return False


def test_a_second_store_in_one_process_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Keep the locks of the first store when a second one is closed.

    POSIX drops all locks of a process on a file when it closes any descriptor of the file. Another process, apparently
    the last one, then deleted the write-ahead log of a store in use.
    """
    url = f"sqlite:///{tmp_path}/keyturn.db"
    first = open_store(url)
    (issued,) = logged_in_users(first, 1)
    second = open_store(url)
    log = (tmp_path / "keyturn.db-wal").stat().st_ino
    visit = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM sessions'); c.close()"
    subprocess.run([sys.executable, "-c", visit, str(tmp_path / "keyturn.db")], check=True, timeout=30)
    assert (tmp_path / "keyturn.db-wal").stat().st_ino == log
    assert counter(use(second, issued.refresh_token.reveal())) == 1
    second.close()
    first.close()

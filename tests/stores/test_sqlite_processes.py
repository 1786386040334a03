import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

from keyturn.core.types import SessionId
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.contract.records import new_session

WRITER = """
import os, sys
from dataclasses import replace
from keyturn.core.types import SessionId
from keyturn.core.throttle import Bucket
from keyturn.stores.open import open_store
store = open_store(sys.argv[1])
sid, rounds = SessionId(sys.argv[2]), int(sys.argv[3])
for number in range(1, rounds + 1):
    # A commit that waits for no disk, in between those that do.
    assert store.throttles.replace(Bucket(str(os.getpid()), 1, 0, number))
    while True:
        session = store.sessions.load(sid).session
        if store.sessions.replace(replace(session, rotations=session.rotations + 1, version=session.version + 1)) == 0:
            print(session.rotations + 1, flush=True)
            break
store.close()
"""


def _writers(count: int, store: SqlStore, sid: SessionId, rounds: int) -> list[subprocess.Popen[str]]:
    arguments = [
        sys.executable,
        "-W",
        "error",
        "-c",
        WRITER,
        f"sqlite:///{store.engine.url.database}",
        sid,
        str(rounds),
    ]
    return [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(count)]


def test_processes_lose_no_write_of_one_another(store: SqlStore) -> None:
    session = new_session()
    store.sessions.insert(session)
    workers = _writers(3, store, session.sid, 40)
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    counts = [store.throttles.load(str(worker.pid)) for worker in workers]
    assert [count and count.version for count in counts] == [40, 40, 40]
    # Every rotation was acknowledged exactly once.
    assert sorted(int(number) for numbers in answers for number in numbers) == list(range(1, 121))
    found = store.sessions.load(session.sid)
    assert found is not None
    assert found.session.rotations == found.session.version == 120


def test_a_killed_process_loses_no_acknowledged_write(store: SqlStore) -> None:
    session = new_session()
    store.sessions.insert(session)
    acknowledged = before = 0
    for _ in range(3):
        (worker,) = _writers(1, store, session.sid, 10**9)
        assert worker.stdout is not None
        for _ in range(25):
            acknowledged = int(worker.stdout.readline())
        worker.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, worker.stdout.read().split())])
        worker.wait()
        worker.stdout.close()
        found = store.sessions.load(session.sid)
        assert found is not None
        # One more may have been committed, its acknowledgement cut off.
        assert found.session.rotations in (acknowledged, acknowledged + 1)
        assert found.session.rotations == found.session.version
        count = store.throttles.load(str(worker.pid))
        assert count is not None
        assert count.version >= acknowledged - before
        # And the database goes on.
        moved = replace(found.session, version=found.session.version + 1, rotations=found.session.rotations + 1)
        assert store.sessions.replace(moved) == 0
        before = moved.rotations
    assert sqlite3.connect(store.engine.url.database or "").execute("PRAGMA integrity_check").fetchone() == ("ok",)

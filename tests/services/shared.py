"""Servers that all workers of a run share. The first that needs one starts it; it ends with the run.

``python -m services.shared NAME FILE`` starts it in a process that ends at once, so that it belongs to no worker.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from services.cleanup import children
from services.postgres import Postgres
from services.redis import RedisCluster, RedisSentinels, RedisServer
from services.run import ROOT, locked, run_folder

OUTSIDE = 63
"""The number of the one database of the shared Redis that is no worker's: always empty."""

STARTERS: dict[str, Callable[[], Any]] = {
    "postgres": lambda: Postgres(max_connections="400"),
    "unsynced postgres": lambda: Postgres(fsync="off", max_connections="400"),  # for what never loses power
    "redis": lambda: RedisServer(databases=str(OUTSIDE + 1)),
    "sentinels": lambda: RedisSentinels(replicas=1, down_milliseconds=30_000),  # no failover on a busy machine
    "cluster": lambda: RedisCluster(timeout_milliseconds=30_000),
}


@cache
def shared(name: str) -> Any:
    """Return the server ``name`` of ``STARTERS``, running. Tests must not stop, freeze or configure it."""
    file = run_folder() / f"{name}.pickle"
    with locked(f"{name}.start"):
        if not file.exists():
            command = [sys.executable, "-m", "services.shared", name, str(file)]
            subprocess.run(command, cwd=ROOT / "tests", check=True, stdin=subprocess.DEVNULL)
    return pickle.loads(file.read_bytes())


def pids_of_shared() -> list[int]:
    """Return the processes that ``shared`` has started in this run, without what these have started."""
    return [int(pid) for file in run_folder().glob("*.pids") for pid in file.read_text().split()]


if __name__ == "__main__":
    server = STARTERS[sys.argv[1]]()
    server.start()
    Path(sys.argv[2]).with_suffix(".pids").write_text(" ".join(map(str, children(os.getpid()))))
    unfinished = Path(sys.argv[2] + ".unfinished")
    unfinished.write_bytes(pickle.dumps(server))
    unfinished.rename(sys.argv[2])

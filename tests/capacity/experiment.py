"""A small fleet for real: one served issuer, N readers in another process, revocations at a rate, everything timed."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyturn import Issuer
from keyturn.core.types import Subject
from server_process import ServerProcess

READERS = Path(__file__).with_name("readers.py")


@dataclass(frozen=True)
class Measured:
    """Result of an experiment.

    ``seen``: sorted seconds from acknowledgement to arrival, of every reader and revocation. ``server_seconds``,
    ``reader_seconds``: CPU time of one poll.
    """

    seen: list[float]
    revocations: int
    seconds: float
    polls_per_second: float
    server_seconds: float
    reader_seconds: float

    def quantile(self, share: float) -> float:
        return self.seen[min(len(self.seen) - 1, int(share * len(self.seen)))]


def experiment(server: ServerProcess, readers: int, interval_seconds: float, rate: float, seconds: float) -> Measured:
    """Revoke at ``rate`` (a Poisson process) for ``seconds``, and wait until every reader has every entry."""
    with _reading(server, readers, interval_seconds) as child, _operator(server) as issuer:
        cpu = cpu_seconds(server)
        acknowledged = _revoke(issuer, rate, seconds)
        time.sleep(max(1.0, 2 * interval_seconds))
        result = _read_result(child)
        spent = cpu_seconds(server) - cpu
    seen = sorted(at - acknowledged[sequence] for sequence, at in result["seen"] if sequence in acknowledged)
    assert len(seen) == readers * len(acknowledged), "every reader has seen every revocation, once"
    polls, took = result["polls"], result["seconds"]
    each = max(polls, 1)
    return Measured(seen, len(acknowledged), took, polls / took, spent / each, result["cpu"] / each)


def cpu_seconds(server: ServerProcess) -> float:
    """Processor time of the server's process so far."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _revoke(issuer: Issuer, rate: float, seconds: float) -> dict[int, float]:
    acknowledged: dict[int, float] = {}
    chance, due = random.Random(7), time.monotonic()
    end = due + seconds
    while (due := due + chance.expovariate(rate)) < end:
        time.sleep(max(0.0, due - time.monotonic()))
        revoked = issuer.revoke_subject(Subject(f"subject-{len(acknowledged)}"))
        acknowledged[revoked.sequence] = time.monotonic()
    return acknowledged


@contextmanager
def _reading(server: ServerProcess, readers: int, interval_seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(READERS), server.url + "/auth/revocations", str(readers), str(interval_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def _read_result(child: subprocess.Popen[str]) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("stop\n")
    child.stdin.flush()
    return json.loads(child.stdout.readline())


@contextmanager
def _operator(server: ServerProcess) -> Iterator[Issuer]:
    with Issuer.from_env(data_dir=str(server.data), background=False) as issuer:
        yield issuer

"""Run a command with a time limit, and end everything that it started."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MARK = "KEYTURN_MUTATION_RUN"
# Linux: the child is killed when the thread that started it ends, however that comes about.
_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
_running: dict[int, str] = {}
"""Process id and mark of each command. The mark is a variable in its environment, which only Linux shows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. ``status``: None after the time limit."""

    status: int | None
    output: str


def run(command: list[str], folder: Path, environment: Mapping[str, str], seconds: float) -> Ended:
    """Run ``command`` in a process group of its own; afterwards nothing of it is left."""
    mark = secrets.token_hex(8)
    # A file, because whatever still held a pipe open would be waited for.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*_DIES_WITH_US, *command],
            cwd=folder,
            env={**environment, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _running[process.pid] = mark
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _kill(process.pid, _running.pop(process.pid))
            process.wait()
        output.seek(0)
        return Ended(status, output.read().decode(errors="replace"))


def end_all() -> None:
    """Kill every command that is running, with everything it started."""
    for pid, mark in list(_running.items()):
        _kill(pid, mark)


def _kill(pid: int, mark: str) -> None:
    """Kill the process group, its descendants and all that bear the mark.

    Servers lead groups of their own, and overwrite the environment they show; what lost its parent is no descendant.
    """
    found = [*_descendants(pid), *_marked(mark)]
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, each.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _marked(mark: str) -> list[int]:
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"{_MARK}={mark}".encode() in each.read_bytes().split(b"\0"):
                found.append(int(each.parent.name))
    return found

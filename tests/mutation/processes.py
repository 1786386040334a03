"""Run a command with a time limit, and end everything that it started."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.cleanup import end_processes, tree
from services.run import VARIABLE, run_folder

# Linux: the child is killed when the thread that started it ends, however that comes about.
_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
_running: dict[int, Path] = {}
"""Process id and folder of each command. What it starts names the folder, as what a run of tests starts does."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. ``status``: None after the time limit."""

    status: int | None
    output: str


def run(command: list[str], folder: Path, environment: Mapping[str, str], seconds: float) -> Ended:
    """Run ``command`` as a run of tests of its own; afterwards nothing of it is left."""
    own = Path(tempfile.mkdtemp(prefix="trial-", dir=run_folder()))
    own.chmod(0o711)  # a database server under another user looks into it
    try:
        # No watcher: the folder is inside that of this run, whose watcher ends what names it.
        return _run(command, folder, {**environment, VARIABLE: str(own), "TMPDIR": str(own)}, seconds, own)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _run(command: list[str], folder: Path, environment: Mapping[str, str], seconds: float, own: Path) -> Ended:
    # A file, because whatever still held a pipe open would be waited for.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*_DIES_WITH_US, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _running[process.pid] = own
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
    for pid, own in list(_running.items()):
        _kill(pid, own)


def _kill(pid: int, own: Path) -> None:
    """Kill the process group, its descendants and all that name its folder.

    Servers lead groups of their own, and overwrite the environment they show; what lost its parent is no descendant.
    """
    found = tree(pid)[1:]
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    end_processes(own)

"""End the processes of a test run once its owner is gone, and delete its folder.

``python cleanup.py OWNER FOLDER`` waits until the process OWNER has ended, in whatever way. Standard library only.
"""

import fcntl
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def start_time(pid: int) -> str:
    """Return when process ``pid`` began, in clock ticks since boot, or "" if there is none: ids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def processes_of(folder: Path) -> list[int]:
    """Return the processes that name ``folder`` in their environment, command line or working directory."""
    others = [int(each) for each in os.listdir("/proc") if each.isdigit() and int(each) != os.getpid()]
    return [pid for pid in others if _names(pid, os.fsencode(folder))]


def orphans_of(folder: Path, spared: Iterable[int]) -> list[int]:
    """Return the processes of ``folder`` that neither this process nor one of the ``spared`` has started."""
    expected = {pid for root in (os.getpid(), *spared) for pid in tree(root)}
    return [pid for pid in processes_of(folder) if pid not in expected and "cleanup.py" not in command_of(pid)]


def command_of(pid: int) -> str:
    """Return the command line of a process, or "" if there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    return ""


def tree(pid: int) -> list[int]:
    """Return a process and all that it has started and that have not lost their parents since."""
    return [pid, *(each for child in children(pid) for each in tree(child))]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, by any of its threads."""
    found: list[str] = []
    with suppress(OSError):  # it, or one of its threads, has just ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += file.read().split()
    return list(map(int, found))


def end_processes(folder: Path, *, spared: frozenset[int] = frozenset(), seconds: float = 10.0) -> list[int]:
    """Kill every process of ``folder`` but the ``spared``; return the ids of those that were killed."""
    killed: set[int] = set()
    give_up_at = time.monotonic() + seconds
    while (left := set(processes_of(folder)) - spared) and time.monotonic() < give_up_at:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= left
        time.sleep(0.02)
    return sorted(killed)


def end_abandoned_runs(base: Path) -> None:
    """End what earlier runs under ``base`` left, if their owner is gone; delete their folders."""
    for folder in base.iterdir():
        if folder.name.partition(".")[0].isdigit() and _is_abandoned(folder):
            end_processes(folder, spared=frozenset({os.getpid()}))
            _delete(folder)


def _delete(folder: Path, *, seconds: float = 10.0) -> None:
    """Delete a folder. A process that is just ending may write into it once more, and the first attempt fails."""
    give_up_at = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < give_up_at:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def _is_abandoned(folder: Path) -> bool:
    """Return whether its owner is gone, and holds its lock in no other container either."""
    try:
        with (folder / "owner").open("r+") as file:
            if file.read() in ("", start_time(int(folder.name.partition(".")[0]))):
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False  # it is locked, or its watcher is just deleting it


def _names(pid: int, folder: bytes) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        if state == b"Z":
            return False
        texts = [Path(f"/proc/{pid}/{each}").read_bytes() for each in ("environ", "cmdline")]
        texts.append(os.fsencode(os.readlink(f"/proc/{pid}/cwd")))
    except OSError:
        return False  # it has just ended, or is not ours
    return any(folder + end in text + b"\0" for text in texts for end in (b"/", b"\0", b" "))


def _watch(owner: int, folder: Path) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(owner)
        select.select([descriptor], [], [])
    end_processes(folder)
    _delete(folder)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]))

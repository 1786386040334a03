"""The folder of a test run. All that a run starts or writes is inside, so that a killed run can be cleaned up."""

import fcntl
import hashlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.cleanup import end_abandoned_runs, start_time

ROOT = Path(__file__).parents[2]
VARIABLE = "TEST_RUN_FOLDER"
MEMORY_BYTES = 4 * 2**30
"""A whole run writes about a gigabyte."""


def run_folder() -> Path:
    """Return the folder of this run. Begin a run, with a watcher, where none is under way."""
    if VARIABLE not in os.environ:
        _begin()
    folder = Path(os.environ[VARIABLE])
    tempfile.tempdir = str(folder)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock ``name`` of this run: one process at a time."""
    with (run_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def numbered(name: str, numbers: range) -> Iterator[int]:
    """Hold the first of ``numbers`` that no other process of this run holds under ``name``."""
    for number in numbers:
        with (run_folder() / f"{name}.{number}.lock").open("w") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield number
            return
    raise AssertionError(f"all of {numbers} are held")


def _begin() -> None:
    base = _base()
    end_abandoned_runs(base)
    folder = _owned(base)
    # TMPDIR marks each process of the run: the watcher finds a process by its environment, folder or command line.
    os.environ[VARIABLE] = os.environ["TMPDIR"] = str(folder)
    watcher = [sys.executable, "-I", str(Path(__file__).with_name("cleanup.py")), str(os.getpid()), str(folder)]
    # In a session of its own: a signal to the group of the run must not reach the watcher.
    started = subprocess.Popen(
        watcher,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    started.returncode = 0  # never waited for: the watcher outlives this process


def _owned(base: Path) -> Path:
    """Make a folder that names its owner, this process, before it is seen under the owner's id."""
    made = Path(tempfile.mkdtemp(prefix="beginning-", dir=base))
    made.chmod(0o711)  # PostgreSQL and nginx give up root, and must still reach their own folders
    owner = os.open(made / "owner", os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.flock(owner, fcntl.LOCK_EX)  # held until this process ends: another container does not see the process
    os.write(owner, start_time(os.getpid()).encode())
    for name in (str(os.getpid()), f"{os.getpid()}.{secrets.token_hex(4)}"):
        with suppress(OSError):  # another container has this id, too, or could not delete a folder
            return made.rename(base / name)
    raise AssertionError(f"no folder for this run in {base}")


def _base() -> Path:
    """Return the folder of all runs of this clone by this user."""
    clone = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    base = _temporary() / f"keyturn-tests-{os.getuid()}-{clone}"
    base.mkdir(mode=0o711, exist_ok=True)
    # In a shared directory another user may have created it first (CWE-379).
    own = base if base.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp(prefix="keyturn-tests-"))
    return own.resolve()  # what a process shows of its working directory is resolved, too


def _temporary() -> Path:
    """Return a folder in memory if there is a large one: no test cuts the power."""
    memory = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK | os.X_OK):
        return Path(tempfile.gettempdir())
    status = os.statvfs(memory)
    large = status.f_bavail * status.f_frsize >= MEMORY_BYTES and not status.f_flag & os.ST_NOEXEC
    return memory if large else Path(tempfile.gettempdir())

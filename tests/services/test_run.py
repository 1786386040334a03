"""A test run that is killed leaves no process: the watcher of the run ends them, and so does the next run."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cleanup import command_of, end_abandoned_runs, processes_of
from services.process import until
from services.run import VARIABLE, run_folder

SERVERS = """
import signal, sys, time
from services.postgres import Postgres
from services.redis import RedisServer
from services.run import run_folder
from services.shared import shared
from server_process import ServerProcess
shared("redis")
of_keyturn = [ServerProcess(run_folder() / "data", workers=2)] if "server" in sys.argv else []
for server in (Postgres(), RedisServer(), *of_keyturn):
    server.start()
server.process.send_signal(signal.SIGSTOP)
print(run_folder(), flush=True)
time.sleep(600)
"""
"""A test run with servers of each kind: one shared, one frozen. Argument ``server``: one of Keyturn, too."""


class Run:
    """A run in another process that has servers under way."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        rest = {name: value for name, value in os.environ.items() if name != VARIABLE}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVERS, *arguments],
            env={**rest, "TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        if not said:
            self.process.communicate()
            raise AssertionError(f"the run ended with {self.process.returncode} before its servers were up")
        self.folder = Path(said)

    def end_watcher(self) -> None:
        (watcher,) = (pid for pid in processes_of(self.folder) if "cleanup.py" in command_of(pid))
        os.kill(watcher, signal.SIGKILL)
        until(lambda: watcher not in processes_of(self.folder))

    def end(self, number: int) -> None:
        os.killpg(self.process.pid, number)
        self.process.communicate()


@pytest.fixture
def temporary() -> Iterator[Path]:
    # Not tmp_path: PostgreSQL gives up root and must reach its folder, but every pytest that starts, those that other
    # tests start included, closes the folder of them all to others.
    folder = Path(tempfile.mkdtemp(dir=run_folder()))
    folder.chmod(0o711)
    yield folder
    for each in folder.glob("keyturn-tests-*"):
        end_abandoned_runs(each)


@pytest.mark.parametrize(("number", "servers"), [(signal.SIGTERM, "databases"), (signal.SIGKILL, "server")])
def test_a_run_that_is_killed_leaves_no_process(temporary: Path, number: int, servers: str) -> None:
    run = Run(temporary, servers)
    assert len(processes_of(run.folder)) > 8
    run.end(number)
    until(lambda: processes_of(run.folder) == [], lambda: str(processes_of(run.folder)))
    until(lambda: not run.folder.exists(), lambda: "its folder is left")


def test_the_next_run_kills_processes_of_an_abandoned_run(temporary: Path) -> None:
    run = Run(temporary)
    run.end_watcher()
    run.end(signal.SIGKILL)
    assert len(processes_of(run.folder)) > 6
    end_abandoned_runs(run.folder.parent)
    assert processes_of(run.folder) == []
    assert not run.folder.exists()


def test_a_running_run_is_not_killed(temporary: Path) -> None:
    run = Run(temporary)
    end_abandoned_runs(run.folder.parent)
    assert run.process.poll() is None
    assert len(processes_of(run.folder)) > 8
    run.end(signal.SIGKILL)
    until(lambda: processes_of(run.folder) == [])


@pytest.fixture
def from_another_container(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a running run whose process is invisible, as in another container."""
    folder = tmp_path / "1"
    folder.mkdir()
    file = folder / "owner"
    file.write_text("an hour before")
    command = f"import fcntl, time; f = open({str(file)!r}, 'r+'); fcntl.flock(f, 2); print(); time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield folder
        process.kill()


def test_a_run_of_another_container_is_kept_while_its_lock_is_taken(from_another_container: Path) -> None:
    end_abandoned_runs(from_another_container.parent)
    assert from_another_container.exists()


def test_a_run_whose_lock_is_released_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "owner").write_text("an hour before")
    end_abandoned_runs(tmp_path)
    assert not folder.exists()


BEGUN = """
import os, subprocess, sys
from pathlib import Path
from services import run
base = run._base()
(base / str(os.getpid()) / "left").mkdir(parents=True)
folder = run.run_folder()
assert (folder / "owner").read_text() == run.start_time(os.getpid())
assert subprocess.run(["flock", "--nonblock", folder / "owner", "true"]).returncode == 1
print(folder)
"""
"""A run that finds a folder without an owner under its own number."""


def test_a_run_starts_beside_a_folder_of_its_number_under_a_linked_tmpdir(temporary: Path) -> None:
    (temporary / "real").mkdir()
    (temporary / "link").symlink_to(temporary / "real")
    rest = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment = {**rest, "TMPDIR": str(temporary / "link"), "PYTHONPATH": str(Path(__file__).parents[1])}
    said = subprocess.run(
        [sys.executable, "-c", BEGUN], env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert said.startswith(str(temporary.resolve() / "real"))
    until(lambda: not Path(said.strip()).exists(), lambda: "its folder is left")


@pytest.mark.parametrize("owner", [None, ""])
def test_a_starting_run_is_not_deleted(tmp_path: Path, owner: str | None) -> None:
    folder = tmp_path / str(os.getpid())
    folder.mkdir()
    if owner is not None:
        (folder / "owner").write_text(owner)
    end_abandoned_runs(tmp_path)
    assert folder.exists()

"""One server process of any kind: started, killed, stopped, frozen."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.cleanup import tree
from services.run import run_folder

START_SECONDS = 30.0


class ServiceProcess:
    """A server process that leads a group of its own. Subclasses say how it is called and when it is ready."""

    command: Sequence[str]
    user: str | None = None

    def __init__(self) -> None:
        # Not pytest's folder: a server that drops its privileges could not enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="keyturn-engine-", dir=run_folder()))
        self.process: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the process out: another worker may use a server, and only its starter may end it."""
        return {**self.__dict__, "process": None}

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start, and wait until it answers. Fail at once if it ends."""
        with self.log.open("ab") as log:
            # SIGXFSZ stays ignored, as in Python: a file too large is an error to the server then, like a full disk.
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                user=self.user,
                cwd=self.folder,
                start_new_session=True,
                restore_signals=False,
            )
        until(lambda: not self.running or self.ready(), self._failed_to_start)
        if not self.running:  # it answers all the same where another server has its port
            raise AssertionError(self._failed_to_start())

    def _failed_to_start(self) -> str:
        return f"{self.command[0]} did not start: {self.log.read_text(errors='replace')[-2000:]}"

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def signal(self, number: int) -> None:
        """Send a signal to the whole group: SIGSTOP freezes, SIGCONT thaws."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(START_SECONDS)

    def stop(self) -> None:
        """End it as an operator would; frozen ones are thawed first."""
        if not self.running:
            return
        assert self.process is not None
        self.signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def remove(self) -> None:
        """End it at once, since nothing is kept, and delete its folder."""
        if self.running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def limit_files(process: "subprocess.Popen[bytes] | None", size: int | None) -> None:
    """Let a process, and all it has started, write no file beyond ``size`` bytes: what a full disk looks like to it.

    ``None``: as large as ever.
    """
    assert process is not None
    limit = "unlimited" if size is None else str(size)
    for pid in tree(process.pid):
        # As whoever runs it: root in a container may not. One that has just ended needs no limit.
        command = ["prlimit", f"--pid={pid}", f"--fsize={limit}:"]
        subprocess.run(command, user=Path(f"/proc/{process.pid}").stat().st_uid, check=False)


def until(
    holds: Callable[[], bool],
    otherwise: Callable[[], str] = lambda: "it did not come to that",
    seconds: float = START_SECONDS,
) -> None:
    """Wait until ``holds()``; fail with what ``otherwise()`` says."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_at:
            raise AssertionError(otherwise())
        time.sleep(0.02)

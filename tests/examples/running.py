"""Run an example by the commands of its own README, and read what it logs."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docs.page import REPOSITORY, read_page
from server_process.process import HIGH_LIMITS
from services.ports import free_port

EXAMPLES = REPOSITORY / "examples"
INSTALL = "scripts/venv dev\n"
"""The environment that this command makes is the one that runs the tests."""
START_SECONDS = 60.0
RUNNING = "unning on http"
"""What uvicorn and Flask log once they listen."""


def commands_of(example: str) -> list[str]:
    """Return the ``sh`` blocks of an example's README, without the installation."""
    blocks = [each.body for each in read_page(EXAMPLES / example / "README.md").blocks if each.language == "sh"]
    assert any(INSTALL in each for each in blocks)
    return [each.replace(INSTALL, "").strip() for each in blocks]


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without settings of Keyturn, with limits for many logins, and ``variables``."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
    return {**rest, **HIGH_LIMITS, "PYTHONUNBUFFERED": "1", **variables}


def clock_variables(file: Path) -> dict[str, str]:
    """Return the variables for an environment whose Python processes add the offset in ``file`` to their clocks."""
    stepped = REPOSITORY / "tests" / "server_process" / "stepped_clock.py"
    folder = Path(__file__).with_name("clock")
    return {"PYTHONPATH": str(folder), "STEPPED_CLOCK": str(stepped), "CLOCK_FILE": str(file)}


class App:
    """A running command. ``url``: where it listens."""

    def __init__(self, command: str, port: int, variables: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["sh", "-ec", command],
            cwd=REPOSITORY,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._has_ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until ``text`` was logged ``count`` times."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self.log.count(text) >= count, START_SECONDS)
        assert self.log.count(text) >= count, self.log

    def stop(self) -> None:
        """End it with all its processes (SIGTERM)."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(START_SECONDS)
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()


@contextmanager
def running_on(port: int, command: str, text: str, **variables: str) -> Iterator[App]:
    """Run a server by ``command``, which says ``text`` once it listens on ``port``, until the block ends."""
    app = App(command, port, environment(**variables))
    try:
        app.wait_for(text)
        yield app
    finally:
        app.stop()


@contextmanager
def running(command: str, data: Path, **variables: str) -> Iterator[App]:
    """Run a server by ``command``, on a free port and with ``data`` as the data directory, until the block ends."""
    port = free_port()
    with running_on(port, f"{command} --port {port}", RUNNING, KEYTURN_DATA_DIR=str(data), **variables) as app:
        yield app

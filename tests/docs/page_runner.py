"""Run the commands of a page in an empty directory, beside a server without accounts."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cli.command import in_process
from docs.page import REPOSITORY, Block, Page
from server_process import ServerProcess
from services.ports import free_port

SECONDS = 60
DATA = "keyturn-data"
PORTS = ("8000", "8001", "8002", "8003", "8004", "8005")
"""The ports that pages speak of: the server's, and those of what a reader starts beside it."""
ROOTED = re.compile(r"(?<![\w.])/(?=(?:etc|var/lib)/keyturn)")
"""What a page puts into the root folder goes into the reader's."""


class Reader:
    """Runs the blocks of one page.

    ``folder``: working directory, with the server's data directory in it, as after ``scripts/serve``. ``ports``: ports
    of other services by the names that pages use. ``shared``: a server used by several pages; without one, the page
    gets a server of its own.
    """

    def __init__(self, page: Page, folder: Path, ports: Mapping[str, str], shared: ServerProcess | None = None) -> None:
        self._folder = folder
        self._ports = {**{each: str(free_port()) for each in PORTS}, **ports}
        self._background: list[subprocess.Popen[bytes]] = []
        self._own: ServerProcess | None = None
        if shared:
            (folder / DATA).symlink_to(shared.data)
            self._ports["8000"] = str(shared.port)
        elif page.stopped:
            # What a first start makes is there, and no process: as after a server has stopped.
            assert in_process("keys", "add", "--data-dir", str(folder / DATA), **page.settings).code == 0
        elif page.asks:
            self._own = ServerProcess(folder / DATA, settings=_environment(page))
            self._own.start()
            self._ports["8000"] = str(self._own.port)
        (folder / "node_modules").symlink_to(REPOSITORY / "tests" / "interop" / "node_modules")

    def follow(self, block: Block) -> None:
        """Write it, start it, or run it and compare what it prints with what the page shows."""
        if block.file:
            path = self._folder / self._directory(block.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._directory(block.body))
        elif block.mark == "in the background":
            self._start(block)
        else:
            self._run(block)

    def leave(self) -> None:
        for each in self._background:
            os.killpg(each.pid, signal.SIGTERM)
            each.wait(30)
        if self._own:
            self._own.stop()

    def _run(self, block: Block) -> None:
        done = subprocess.run(
            self._command(block),
            cwd=self._folder,
            env=_paths(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"
        if block.shown is not None:
            assert _matches(block.shown, self._as_written(done.stdout)), f"line {block.line} printed: {done.stdout}"

    def _start(self, block: Block) -> None:
        log = (self._folder / "background.log").open("ab")
        command = self._command(block)
        self._background.append(
            subprocess.Popen(command, cwd=self._folder, env=_paths(), stdout=log, stderr=log, start_new_session=True)
        )
        log.close()
        port = int(re.findall(r"--port (\d+)", self._directory(block.body))[0])
        deadline = time.monotonic() + SECONDS
        while not _listens(port):
            assert time.monotonic() < deadline, (self._folder / "background.log").read_text()
            time.sleep(0.05)

    def _command(self, block: Block) -> list[str]:
        if block.language == "python":
            return [sys.executable, "-W", "error", "-c", self._directory(block.body)]
        if block.language == "javascript":
            return ["node", "--input-type=module", "-e", self._directory(block.body)]
        # One shell for the whole page, as far as its variables go.
        kept = "set -eu -o pipefail; set -a; [ ! -f .shell ] || . ./.shell\n"
        background = block.mark == "in the background"
        return ["bash", "-c", kept + self._directory(block.commands) + ("" if background else "\nexport -p >.shell")]

    def _directory(self, text: str) -> str:
        for written, real in self._ports.items():
            text = re.sub(rf"(127\.0\.0\.1:|localhost:|--port ){written}", rf"\g<1>{real}", text)
        return ROOTED.sub(f"{self._folder}/", text)

    def _as_written(self, text: str) -> str:
        for written, real in self._ports.items():
            text = text.replace(real, written)
        return text.replace(f"{self._folder}/", "/")


def _environment(page: Page) -> dict[str, str]:
    return {f"KEYTURN_{name.upper()}": value for name, value in page.settings.items()}


def _paths() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "COV_", "PYTEST_"))}
    # Wide enough that no table folds its cells.
    return {**clean, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "160"}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _matches(shown: str, printed: str) -> bool:
    """White space at the ends does not count, ``...`` stands for anything."""
    pattern = ".*?".join(re.escape(each) for each in shown.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.S) is not None

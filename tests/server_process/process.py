"""Start, stop and kill ``keyturn serve`` as a process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from services.ports import free_port

PASSWORD = "a bicycle made of rain"
START_SECONDS = 60.0

# Tests log in often and from one address: only tests about throttling keep the real limits.
HIGH_LIMITS = {"KEYTURN_LOGIN_LIMIT_PER_ADDRESS": "100000", "KEYTURN_SIGNUP_LIMIT_PER_ADDRESS": "100000"}


@dataclass
class ServerProcess:
    """A server process.

    ``settings``: environment variables. ``url``: unchanged by a restart. ``clock``: a file with the offset of the
    server's wall clock in seconds, or None for the real clock.
    """

    data: Path
    workers: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    clock: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.with_name(self.data.name + ".log")

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the server and of operator commands."""
        rest = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        return {**rest, **HIGH_LIMITS, **self.settings}

    @property
    def _program(self) -> list[str]:
        if self.clock is None:
            return ["-c", "from keyturn.cli import app; app()"]
        return [str(Path(__file__).with_name("stepped_clock.py")), str(self.clock)]

    def start(self) -> None:
        """Start the server in a process group of its own and wait until it is ready."""
        arguments = ["--port", str(self.port), "--data-dir", str(self.data), "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program, "serve", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """Send SIGKILL to the whole process group, as a power cut would end it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def client(self) -> httpx.Client:
        """Return an HTTP client with its own cookie jar."""
        return httpx.Client(base_url=self.url, timeout=20)

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log.read_text()}")
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server was not ready in {START_SECONDS} s: {self.log.read_text()}")


@contextmanager
def run_server(data: Path, *, workers: int = 1, **settings: str) -> Iterator[ServerProcess]:
    """Run a server within the ``with`` block. ``settings``: names in lower case, without ``KEYTURN_``."""
    server = ServerProcess(data, workers, {f"KEYTURN_{name.upper()}": value for name, value in settings.items()})
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()

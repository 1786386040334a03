"""Start, ask, kill and stop a real ``keyturn serve``."""

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
ROOMY = {"KEYTURN_LOGIN_LIMIT_PER_ADDRESS": "100000", "KEYTURN_SIGNUP_LIMIT_PER_ADDRESS": "100000"}


@dataclass
class Served:
    """One server. ``settings``: its environment. ``url``: where it is; the same after a restart.
    ``clock``: a file that says how many seconds its wall clock is off, if it may be stepped."""

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
        """What the server and the operator's commands beside it are given."""
        rest = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        return {**rest, **ROOMY, **self.settings}

    @property
    def _program(self) -> list[str]:
        if self.clock is None:
            return ["-c", "from keyturn.cli import app; app()"]
        return [str(Path(__file__).with_name("stepped_clock.py")), str(self.clock)]

    def start(self) -> None:
        """Start and wait until it is ready. The process leads a group of its own."""
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
        """Ask it to stop (SIGTERM). Answers its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """Kill the whole group at once (SIGKILL): a power cut, as far as the processes are concerned."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def client(self) -> httpx.Client:
        """A client with a cookie jar of its own."""
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
def serving(data: Path, *, workers: int = 1, **settings: str) -> Iterator[Served]:
    """A running server; ``settings`` by name, without ``KEYTURN_``, in lower case."""
    served = Served(data, workers, {f"KEYTURN_{name.upper()}": value for name, value in settings.items()})
    served.start()
    try:
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            served.stop()

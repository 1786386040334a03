"""Checks of the code that run beside the tests: each a process whose output is shown when it fails."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.run import ROOT, run_folder

BIN = Path(sys.executable).parent

FAST = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "import contracts": [BIN / "lint-imports", "--no-logo"],
    "mypy": [BIN / "mypy"],
}
SLOW = {"pyright": [ROOT / "tests/interop/node_modules/.bin/pyright"]}
LOWEST = {"the lowest declared versions": [ROOT / "scripts/lowest"]}
"""The store contract with these, in an environment of its own; in CI and with ``--long``."""
MUTANTS = {"40 planted faults": [ROOT / "scripts/mutate", "--count", "40"]}
"""With ``--long``."""


@dataclass
class Check:
    """A check under way. ``cpu_seconds``: what it took, once it has ended."""

    name: str
    command: Sequence[str | Path]
    nice: int = 5
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Start it, by default at a lower priority than the tests."""
        self._output = run_folder() / f"{self.name}.out"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                list(map(str, self.command)),
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=lambda: os.nice(self.nice),
            )

    def passes(self, *, show: bool = False) -> bool:
        """Wait until it ends; print what it says if it fails, or to ``show`` it."""
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        if status or show:
            print(f"\n{self.name}{' failed' if status else ''}:\n{self._output.read_text()}", flush=True)
        return status == 0

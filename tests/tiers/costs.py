"""A pytest plugin: notes wall and CPU seconds of each test, those of the processes it started included."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cleanup import children
from services.run import run_folder

TICKS = os.sysconf("SC_CLK_TCK")


def pytest_configure(config: pytest.Config) -> None:
    """Note costs in the folder of the run, a file for each process."""
    folder = run_folder() / "costs"
    folder.mkdir(exist_ok=True)
    config.pluginmanager.register(Costs(folder / f"{os.getpid()}.jsonl"))


class Costs:
    """Writes a line for each test: its id, seconds, CPU seconds, outcome."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcome = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began, spent, self._outcome = time.monotonic(), cpu_seconds(os.getpid()), "passed"
        result = yield
        line = [item.nodeid, time.monotonic() - began, cpu_seconds(os.getpid()) - spent, self._outcome]
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed" and self._outcome != "failed":
            self._outcome = report.outcome


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of all it has started, those that have ended included."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS + sum(map(cpu_seconds, children(pid)))

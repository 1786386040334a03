"""A pytest plugin: writes down that a session came to its end, how many tests were selected, and how many ran.

Exit status 0 does not say so: a test may end the process with it.
"""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "TEST_WITNESS"
"""The file to write."""


def pytest_configure(config: pytest.Config) -> None:
    """Count in the process that people started, not in its workers."""
    if not hasattr(config, "workerinput") and (file := os.environ.pop(VARIABLE, "")):
        config.pluginmanager.register(RunCounter(Path(file)))


class RunCounter:
    """Counts tests, whether they run in this process or in workers of it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._selected = 0
        self._ran: set[str] = set()
        self._crashed = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected = max(self._selected, len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._selected = max(self._selected, len(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        self._crashed += bool(error)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":  # a test may end the process before it has one
            self._ran.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        seen = {"selected": self._selected, "ran": len(self._ran), "crashed": self._crashed}
        self._file.write_text(json.dumps(seen))

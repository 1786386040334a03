"""A pytest plugin: which tests run, how often, in which order, and which of them must share a worker."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

DURATIONS = Path(__file__).with_name("durations.json")
"""Seconds that a test, or a file whose tests share servers, took when ``scripts/test --record`` last ran."""

TESTS = Path(__file__).resolve().parents[1]

LEFT_OUT = pytest.StashKey[int]()
"""How many tests were left out because they are long."""

WIDER = ("class", "module", "package")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long`` and ``--again``."""
    group = parser.getgroup("keyturn")
    group.addoption("--long", action="store_true", help="also run what is marked long")
    group.addoption("--again", type=int, default=1, metavar="N", help="run each test N times")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tell test modules and workers that there is more time, and programs that tests start nothing of this suite."""
    _hide_tests()
    # rich takes the width when it is imported first: tables must not depend on the terminal, or on which test that was.
    os.environ["COLUMNS"] = "160"
    if config.getoption("long"):
        os.environ["TEST_LONG"] = "1"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each test as often as ``--again`` says."""
    times = metafunc.config.getoption("again")
    if times > 1:
        metafunc.fixturenames.append("again")
        metafunc.parametrize("again", range(times))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long, name the group of each test, put what takes longest first."""
    for each in items:
        _check_mark(each)
    if not config.getoption("long"):
        left_out = [each for each in items if each.get_closest_marker("long")]
        _note(config, len(left_out))
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if not each.get_closest_marker("long")]
    if getattr(config.option, "loadgroup", False):  # what xdist tells its workers of --dist loadgroup
        durations: dict[str, float] = json.loads(DURATIONS.read_text())
        for each in items:
            if _shares(each):
                _keep_together(each)
        items.sort(key=lambda each: -durations.get(unit(each.nodeid, shares=_shares(each)), 0.0))


def _note(config: Any, count: int) -> None:
    config.stash[LEFT_OUT] = count
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = count


def _check_mark(item: pytest.Item) -> None:
    """Refuse a mark ``long`` that names no stand-in."""
    mark = item.get_closest_marker("long")
    if mark and not isinstance(mark.kwargs.get("stands_in"), str):
        example = "@pytest.mark.long(stands_in='tests/...::test_...')"
        raise pytest.UsageError(f"{item.nodeid}: write {example}; see CONTRIBUTING, Tests")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over from a worker what it left out; all of them leave out the same."""
    if "left_out" in getattr(node, "workeroutput", {}):
        node.config.stash[LEFT_OUT] = node.workeroutput["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why tests were left out."""
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.line(f"{count} marked long: add --long")


def unit(nodeid: str, *, shares: bool) -> str:
    """Return what is given to a worker as one: a test, or the file of tests that share fixtures."""
    return nodeid.partition("::")[0] if shares else nodeid


def _hide_tests() -> None:
    """Take this suite off PYTHONPATH. The rest stays: a mutation check names its copy of the sources there."""
    paths = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    if kept := [each for each in paths if each and Path(each).resolve() != TESTS]:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)


def _keep_together(item: Any) -> None:
    """Name the group of the test after its file. What xdist 3.8 does with the mark, pytest 9.2 no longer sees."""
    group = _file(item)
    item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(item, "_id"):
        item._id = item._id.parse(f"{item.nodeid}@{group}")


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _shares(item: Any) -> bool:
    """Return whether the test uses a fixture that others of its file use, too."""
    fixtures = item._fixtureinfo.name2fixturedefs.values() if hasattr(item, "_fixtureinfo") else ()
    return any(definition.scope in WIDER for each in fixtures for definition in each[-1:])

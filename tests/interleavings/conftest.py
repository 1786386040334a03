"""Prints, after the run, how many schedules were explored in each set of flows, and how many broke a rule."""

from collections.abc import Callable

import pytest

from interleavings.explorer import Report

REPORTS = pytest.StashKey[list[Report]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORTS] = []


@pytest.fixture
def reported(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[Report], None]:
    """Notes what an exploration saw, for the summary and for the machine-readable report."""

    def note(report: Report) -> None:
        request.config.stash[REPORTS].append(report)
        record_property("schedules", report.schedules)
        record_property("states", report.states)
        record_property("violations", len(report.violations))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = config.stash[REPORTS]
    if not reports:
        return
    terminalreporter.section("interleavings")
    for each in (*reports, _total(reports)):
        figures = f"{each.schedules:>34,} schedules {each.states:>9,} states {each.seconds:>7.2f} s"
        terminalreporter.line(f"{each.name:<50} {figures} {len(each.violations):>3} violations")


def _total(reports: list[Report]) -> Report:
    total = Report("total")
    for each in reports:
        total.schedules += each.schedules
        total.states += each.states
        total.seconds += each.seconds
        total.violations += each.violations
    return total

"""Notes how many schedules were explored in each set of flows, and how many broke a rule."""

from collections.abc import Callable

import pytest

from interleavings.explorer import Report


@pytest.fixture
def reported(record_property: Callable[[str, object], None]) -> Callable[[Report], None]:
    """Notes what an exploration saw, for the summary and for the machine-readable report."""

    def note(report: Report) -> None:
        figures = f"{report.schedules:>34,} schedules {report.states:>9,} states {report.seconds:>7.2f} s"
        record_property("figure", f"{report.name:<52} {figures} {len(report.violations):>3} violations")
        record_property("schedules", report.schedules)
        record_property("violations", len(report.violations))

    return note

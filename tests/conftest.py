"""Rules for every test: where CI is set, a test that was skipped has failed; no example has a deadline."""

import os
from collections.abc import Generator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

# These rules are tried out alone, too, where there is no `services` package (tests/repository).
ALONE = not (Path(__file__).parent / "services").is_dir()
pytest_plugins = [] if ALONE else ["services.fixtures", "tiers.selection"]


def pytest_configure() -> None:
    """Begin a run before any worker is started, so that all of them share its folder and its servers."""
    # A deadline judges the machine, not the code: others may be busy on it.
    settings.register_profile("keyturn", deadline=None, max_examples=1000 if "TEST_LONG" in os.environ else 100)
    settings.load_profile("keyturn")
    if not ALONE:
        import_module("services.run").run_folder()
        patience = import_module("httpx")._config.DEFAULT_TIMEOUT_CONFIG
        # Five seconds judge the machine, too.
        patience.connect = patience.read = patience.write = patience.pool = 30.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI"):  # an expected failure is a skipped one, too
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longreprtext}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured: each ``record_property("figure", text)``, and how many schedules were explored."""
    reports = [each for several in terminalreporter.stats.values() for each in several]
    noted = [pair for each in reports if getattr(each, "when", "") == "call" for pair in each.user_properties]
    figures = [text for name, text in noted if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(str(text))
        total = {kind: sum(int(n) for name, n in noted if name == kind) for kind in ("schedules", "violations")}
        if total["schedules"]:
            terminalreporter.line(f"total: {total['schedules']:,} schedules, {total['violations']} violations")

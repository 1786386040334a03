"""Run a tier of the suite: checks beside tests, phase after phase, then what each folder cost."""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.run import ROOT, run_folder
from engines.shared import pids_of_shared
from tiers.checks import FAST, LOWEST, MUTANTS, SLOW, Check
from tiers.costs import cpu_seconds
from tiers.phases import PHASES, QUICK, RACES, Phase
from tiers.report import costs, outcomes, record, table
from tiers.session import coverage_variables, run_pytest

COVERED = ("--cov", "--cov-report=")


def main() -> int:
    """Run what the command line asks for; return 0 if all of it holds."""
    options, arguments = _parser().parse_known_args()
    # Where it is set, each worker compiles all tests anew: 5.1 s of CPU instead of 2.8.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    if options.tier == "quick":
        held = run([QUICK], FAST, arguments)
    elif set(arguments) - {"--long"}:
        return 0 if run_pytest(arguments) else 1
    else:
        held = run_all(arguments)
    if options.record:
        record(costs())
    print(f"\n{outcomes(costs())}\n{_spent(time.monotonic() - began)}: {'passed' if held else 'FAILED'}", flush=True)
    return 0 if held else 1


def run_all(arguments: Sequence[str]) -> bool:
    """Run every phase, the first with branch coverage of the packages that are judged by it."""
    first = Phase(QUICK.name, QUICK.paths, QUICK.workers, (*QUICK.options, *COVERED), QUICK.group)
    is_long = "--long" in arguments
    held = run([first, *PHASES[1:], *([RACES] if is_long else [])], {**FAST, **SLOW}, arguments)
    # Alone: beside the tests they would be starved, and they judge by deadlines, too.
    alone = {**(LOWEST if is_long or os.environ.get("CI") else {}), **(MUTANTS if is_long else {})}
    for name, command in alone.items():
        held = Check(name, command, nice=0).passes(show=True) and held
    report = ["report", "--skip-covered", "--show-missing", "--fail-under=100"]
    command = [sys.executable, "-m", "coverage", *report]
    covered = subprocess.run(command, cwd=ROOT, env=coverage_variables(), check=False).returncode == 0
    return covered and held


def run(phases: Sequence[Phase], checks: Mapping[str, Sequence[str | Path]], arguments: Sequence[str]) -> bool:
    """Run ``phases`` one after the other beside ``checks``. Print what each folder cost."""
    run_folder()  # before anything is started in it
    under_way = [Check(name, command) for name, command in checks.items()]
    held = [_run_phase(each, arguments) for each in phases]
    held += [each.passes() for each in under_way]
    print(f"\n{table(costs())}")
    for check in under_way:
        print(f"{check.name}: {check.cpu_seconds:.0f} CPU s")
    return all(held)


def _run_phase(phase: Phase, arguments: Sequence[str]) -> bool:
    began, spent, noted = time.monotonic(), _cpu_seconds(), len(costs())
    print(f"\n--- {phase.name}: {phase.workers} workers", flush=True)
    passed = run_pytest([*phase.arguments(), *arguments])
    print(f"{phase.name}: {time.monotonic() - began:.0f} s, {_cpu_seconds() - spent:.0f} of CPU", flush=True)
    if len(costs()) == noted:
        print(f"{phase.name}: no test noted what it cost", flush=True)
        return False
    return passed


def _spent(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes, {_cpu_seconds() / 60:.1f} of CPU"


def _cpu_seconds() -> float:
    """Return the CPU seconds of all that has ended, and of the servers that the tests share."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + sum(map(cpu_seconds, pids_of_shared()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="All checks and tests. With paths: pytest alone, with these and any options of pytest.",
    )
    parser.add_argument("tier", choices=["quick", "test"])
    parser.add_argument("--record", action="store_true", help="write tests/tiers/durations.json anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Run a tier of the suite: checks beside tests, phase after phase, then what each folder cost."""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.run import ROOT, run_folder
from services.shared import pids_of_shared
from tiers.checks import FAST, LOWEST, MUTANTS, SLOW, Check
from tiers.costs import cpu_seconds
from tiers.phases import PHASES, QUICK, RACES, Phase
from tiers.report import costs, outcomes, record, table
from tiers.session import coverage_variables, run_pytest

COVERED = ("--cov", "--cov-report=")


def main() -> int:
    """Run what the command line asks for; return 0 if all of it holds."""
    options, arguments = _parse(sys.argv[1:])
    # Where it is set, each worker compiles all tests anew: 5.1 s of CPU instead of 2.8.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    if any(map(_is_test, arguments)) or (options.tier == "test" and set(arguments) - {"--long"}):
        return 0 if run_pytest(arguments) else 1
    failed = run([QUICK], FAST, arguments) if options.tier == "quick" else run_all(arguments)
    if options.record:
        record(costs())
    print(f"\n{outcomes(costs())}\n{_spent(time.monotonic() - began)}: {_verdict(failed)}", flush=True)
    return 1 if failed else 0


def run_all(arguments: Sequence[str]) -> list[str]:
    """Run every phase, the first with branch coverage of the packages that are judged by it; name what failed."""
    first = Phase(QUICK.name, QUICK.paths, QUICK.workers, (*QUICK.options, *COVERED), QUICK.group)
    is_long = "--long" in arguments
    failed = run([first, *PHASES[1:], *([RACES] if is_long else [])], {**FAST, **SLOW}, arguments)
    # Alone: beside the tests they would be starved, and they judge by deadlines, too.
    alone = {**(LOWEST if is_long or os.environ.get("CI") else {}), **(MUTANTS if is_long else {})}
    failed += [name for name, command in alone.items() if not Check(name, command, nice=0).passes(show=True)]
    return failed if _is_covered() else [*failed, "coverage"]


def run(phases: Sequence[Phase], checks: Mapping[str, Sequence[str | Path]], arguments: Sequence[str]) -> list[str]:
    """Run ``phases`` one after the other beside ``checks``; name what failed. Print what each folder cost."""
    run_folder()  # before anything is started in it
    under_way = [Check(name, command) for name, command in checks.items()]
    passed = {each.name: _run_phase(each, arguments) for each in phases}
    passed |= {each.name: each.passes() for each in under_way}
    print(f"\n{table(costs())}")
    for check in under_way:
        print(f"{check.name}: {'passed' if passed[check.name] else 'FAILED'}, {check.cpu_seconds:.0f} CPU s")
    return [name for name, held in passed.items() if not held]


def _run_phase(phase: Phase, arguments: Sequence[str]) -> bool:
    began, spent, noted = time.monotonic(), _cpu_seconds(), len(costs())
    print(f"\n--- {phase.name}: {phase.workers} workers", flush=True)
    passed = run_pytest([*phase.arguments(), *arguments])
    print(f"{phase.name}: {time.monotonic() - began:.0f} s, {_cpu_seconds() - spent:.0f} of CPU", flush=True)
    if len(costs()) == noted:
        print(f"{phase.name}: no test noted what it cost", flush=True)
        return False
    return passed


def _is_covered() -> bool:
    report = ["report", "--skip-covered", "--show-missing", "--fail-under=100"]
    command = [sys.executable, "-m", "coverage", *report]
    return subprocess.run(command, cwd=ROOT, env=coverage_variables(), check=False).returncode == 0


def _verdict(failed: Sequence[str]) -> str:
    return f"FAILED: {', '.join(failed)}" if failed else "passed"


def _spent(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes, {_cpu_seconds() / 60:.1f} of CPU"


def _cpu_seconds() -> float:
    """Return the CPU seconds of all that has ended, and of the servers that the tests share."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + sum(map(cpu_seconds, pids_of_shared()))


def _is_test(argument: str) -> bool:
    return not argument.startswith("-") and (ROOT / argument.partition("::")[0]).exists()


def _parse(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return our own options, and what pytest is given. scripts/usage answers ``--help``."""
    name = f"scripts/{words[0]}" if words else "scripts/test"
    parser = argparse.ArgumentParser(name, f"see {name} --help", add_help=False, allow_abbrev=False)
    parser.add_argument("tier", choices=["quick", "test"])
    parser.add_argument("--record", action="store_true")
    options, arguments = parser.parse_known_args(words)
    if any(each.partition("=")[0] == "--again" for each in arguments) and not any(map(_is_test, arguments)):
        parser.error("--again N repeats the tests that are named, and none is")
    return options, arguments


if __name__ == "__main__":
    sys.exit(main())

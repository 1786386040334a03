"""Run pytest, and believe it only if it ran what it selected and left no process."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from services.cleanup import command_of, orphans_of
from services.run import ROOT, run_folder
from services.shared import pids_of_shared
from tiers.run_counter import VARIABLE

PLUGINS = ("selection", "costs", "clients", "run_counter")
GRACE_SECONDS = 5.0
"""How long a process that tests leave may take to end by itself."""
INHERITED = ("PYTEST_ADDOPTS", "TEST_LONG")
"""What a shell must not bring in: a run would be another than it says."""
INFORMING = {"--collect-only", "--co", "--fixtures", "--fixtures-per-test", "--markers", "--version", "-V"}
"""Options with which no test is run."""


def run_pytest(arguments: Sequence[str]) -> bool:
    """Run pytest; return whether all of it passed and nothing is left of it."""
    run_file = run_folder() / f"selection.{secrets.token_hex(4)}"
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    settings += [each for name in PLUGINS for each in ("-p", f"tiers.{name}")]
    command = [sys.executable, "-m", "pytest", *settings, *arguments]
    passed = subprocess.run(command, cwd=ROOT, env=_environment(run_file), check=False).returncode == 0
    complaint = "" if INFORMING & set(arguments) or not passed else problem_with(run_file)
    if complaint:
        print(complaint, flush=True)
    return not leftovers() and passed and not complaint


def problem_with(run_file: Path) -> str:
    """Return what is wrong with a session that ended with status 0, or ""."""
    if not run_file.exists():
        return "pytest ended before its session did: a test ended the process"
    seen = json.loads(run_file.read_text())
    if seen["crashed"]:
        return f"{seen['crashed']} workers crashed"
    if seen["ran"] < seen["selected"]:
        return f"{seen['ran']} of {seen['selected']} selected tests ran"
    return ""


def coverage_variables() -> dict[str, str]:
    """Return the environment of a run, in which coverage is kept apart from that of other runs."""
    return {**os.environ, "COVERAGE_FILE": str(run_folder() / "coverage")}


def leftovers() -> bool:
    """Return whether tests left a process that does not end by itself; name it."""
    give_up_at = time.monotonic() + GRACE_SECONDS
    while (left := _strays()) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    for pid in left:
        print(f"left by a test: {pid} {command_of(pid)}", flush=True)
    return bool(left)


def _environment(run_file: Path) -> dict[str, str]:
    kept = {name: value for name, value in coverage_variables().items() if name not in INHERITED}
    return {**kept, "PYTHONPATH": str(ROOT / "tests"), VARIABLE: str(run_file)}


def _strays() -> list[int]:
    return orphans_of(run_folder(), pids_of_shared())

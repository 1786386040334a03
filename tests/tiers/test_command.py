"""What the commands say: how they are called, what failed, what was left out."""

import subprocess
from pathlib import Path

import pytest

from services.run import ROOT
from tiers.test_tiers import planted, python

LONG = """
import pytest
@pytest.mark.long(stands_in="tests/tiers/test_command.py::test_it")
def test_long():
    pass
def test_it():
    pass
"""

FAILING_CHECK = """
import sys
from tiers.__main__ import run
from tiers.phases import Phase
checks = {"contracts": ["false"], "types": ["true"]}
print(run([Phase("planted", (sys.argv[1],), 0)], checks, []))
"""


@pytest.mark.parametrize("name", ["quick", "test"])
@pytest.mark.parametrize("asked", [["-h"], ["tests/core", "--help"]])
def test_a_script_prints_its_usage_before_installing(name: str, asked: list[str]) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": "/there-is-none"}
    command = [ROOT / "scripts" / name, *asked]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith(f"usage: scripts/{name} [TEST...] [--long] [--again N TEST...]")
    assert done.stdout.count(f"  scripts/{name}") == 3, "examples"


@pytest.mark.parametrize("words", [["--again", "3"], ["--again=3", "-x"]])
@pytest.mark.parametrize("tier", ["quick", "test"])
def test_again_requires_a_test(tmp_path: Path, tier: str, words: list[str]) -> None:
    done = python(tmp_path, "-m", "tiers", tier, *words)
    assert done.returncode == 2
    assert done.stderr.endswith(f"scripts/{tier}: error: --again N repeats the tests that are named, and none is\n")


def test_quick_runs_just_the_tests_that_are_named(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "tiers", "quick", planted(tmp_path, "def test_it():\n    pass\n"))
    assert done.returncode == 0
    assert "1 passed" in done.stdout
    assert "mypy" not in done.stdout


def test_a_run_names_the_failed_phase(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", FAILING_CHECK, planted(tmp_path, "def test_it():\n    assert False\n"))
    assert "contracts: FAILED" in done.stdout
    assert "types: passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "['planted', 'contracts']"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_counts_the_long_tests_left_out(tmp_path: Path, workers: str) -> None:
    file = planted(tmp_path, LONG)
    done = python(tmp_path, "-m", "tiers", "test", "-n", workers, file)
    assert done.returncode == 0
    assert "1 marked long: add --long" in done.stdout
    assert "marked long" not in python(tmp_path, "-m", "tiers", "test", "-n", workers, "--long", file).stdout

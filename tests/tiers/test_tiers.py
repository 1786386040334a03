"""The runner: no silent retries, leftover processes are reported, and a run without its tests fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.run import ROOT, VARIABLE

FLAKE = """
import pathlib
def test_it():
    runs = pathlib.Path(__file__).with_name("runs")
    number = len(runs.read_text()) + 1 if runs.exists() else 1
    runs.write_text("x" * number)
    assert number % 20
"""
"""Fails every twentieth time."""

LEAVES_A_PROCESS = """
import subprocess
def test_it():
    subprocess.Popen(["sleep", "300"], start_new_session=True).returncode = 0
"""

SHARES_A_FIXTURE = """
import pathlib, pytest
@pytest.fixture(scope="module")
def shared():
    with pathlib.Path(__file__).with_name("made").open("a") as file:
        file.write("x")
@pytest.mark.parametrize("number", range(20))
def test_it(shared, number):
    pass
"""

ONE_PHASE = """
import sys
from tiers.__main__ import run
from tiers.phases import Phase
sys.exit(bool(run([Phase("planted", (sys.argv[1],), int(sys.argv[2]))], {}, [])))
"""


def python(temporary: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the suite's modules, as a run of its own."""
    rest = {name: value for name, value in os.environ.items() if name not in (VARIABLE, "PYTEST_XDIST_WORKER")}
    environment = {**rest, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT / "tests"), **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def planted(folder: Path, text: str) -> str:
    file = folder / "test_planted.py"
    file.write_text(text)
    return str(file)


def test_a_flaky_test_fails_a_repeated_run(tmp_path: Path) -> None:
    file = planted(tmp_path, FLAKE)
    assert python(tmp_path, "-m", "tiers", "test", file).returncode == 0
    hunted = python(tmp_path, "-m", "tiers", "test", "--again", "40", "-p", "no:xdist", file)
    assert hunted.returncode == 1
    assert "2 failed, 38 passed" in hunted.stdout


def test_a_failed_test_is_not_retried(tmp_path: Path) -> None:
    file = planted(tmp_path, FLAKE.replace("number % 20", "number > 1"))
    assert python(tmp_path, "-c", ONE_PHASE, file, "0").returncode == 1
    assert (tmp_path / "runs").read_text() == "x"


def test_tests_that_share_a_fixture_share_a_worker(tmp_path: Path) -> None:
    options = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
    done = python(tmp_path, "-m", "tiers", "test", *options, planted(tmp_path, SHARES_A_FIXTURE))
    assert "20 passed" in done.stdout
    assert (tmp_path / "made").read_text() == "x"


def test_a_process_that_a_test_leaves_turns_a_run_red(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "tiers", "test", planted(tmp_path, LEAVES_A_PROCESS))
    assert "1 passed" in done.stdout
    assert "left by a test" in done.stdout
    assert "sleep 300" in done.stdout
    assert done.returncode == 1


ENDS_THE_PROCESS = """
import os, pytest
def test_first():
    pass
def test_it():
    {way}
def test_last():
    pass
"""


@pytest.mark.parametrize(
    ("way", "complaint"),
    [("os._exit(0)", "a test ended the process"), ("pytest.exit('enough', returncode=0)", "1 of 3 selected tests ran")],
)
def test_a_test_that_ends_the_run_with_success_turns_it_red(tmp_path: Path, way: str, complaint: str) -> None:
    done = python(tmp_path, "-m", "tiers", "test", planted(tmp_path, ENDS_THE_PROCESS.format(way=way)))
    assert done.returncode == 1
    assert complaint in done.stdout


CRASHES_AT_ITS_END = """
import os, pytest
class Crashes:
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self):
        os._exit(0)
@pytest.mark.parametrize("number", range(4))
def test_it(number, pytestconfig):
    if not pytestconfig.pluginmanager.has_plugin("crashes"):
        pytestconfig.pluginmanager.register(Crashes(), "crashes")
"""


def test_a_worker_that_crashes_outside_of_a_test_turns_a_run_red(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", ONE_PHASE, planted(tmp_path, CRASHES_AT_ITS_END), "2")
    assert done.returncode == 1
    assert "4 passed" in done.stdout
    assert "workers crashed" in done.stdout


@pytest.mark.parametrize("options", ["--collect-only", "-k nothing"])
def test_a_shell_cannot_make_a_run_green(tmp_path: Path, options: str) -> None:
    file = planted(tmp_path, "import os\ndef test_it():\n    assert 'TEST_LONG' not in os.environ")
    done = python(tmp_path, "-c", ONE_PHASE, file, "0", PYTEST_ADDOPTS=options, TEST_LONG="1")
    assert done.returncode == 0
    assert "1 passed" in done.stdout


def test_a_phase_without_recorded_costs_fails(tmp_path: Path) -> None:
    phase = ONE_PHASE.replace("{}, []", "{}, ['--collect-only']")
    done = python(tmp_path, "-c", phase, planted(tmp_path, "def test_it():\n    pass"), "0")
    assert done.returncode == 1
    assert "no test noted what it cost" in done.stdout


SHOWS_ITS_PATH = """
import subprocess, sys
def test_it():
    code = "import keyturn, importlib.util; print(keyturn.__file__, importlib.util.find_spec('tiers'))"
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
"""


def test_a_child_process_imports_the_named_sources_only(tmp_path: Path) -> None:
    package = tmp_path / "src" / "keyturn"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    path = f"import os; os.environ['PYTHONPATH'] = {str(ROOT / 'tests')!r} + ':' + {str(tmp_path / 'src')!r}; "
    path += "import pytest; from tiers import selection; sys = __import__('sys'); "
    path += "sys.exit(pytest.main(['-c', '/dev/null', '-s', '-p', 'tiers.selection', sys.argv[1]]))"
    done = python(tmp_path, "-c", path, planted(tmp_path, SHOWS_ITS_PATH))
    assert f"{package / '__init__.py'} None" in done.stdout

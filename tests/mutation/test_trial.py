"""One trial: which tests run first, how their end is read, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from mutation.finder import mutants_of
from mutation.order import TESTS, order_files
from mutation.processes import Ended, run
from mutation.source import SRC, Mutant
from mutation.trial import BROKEN, CAUGHT, HANG, SURVIVED, judge, read_verdict, trial
from services.cleanup import command_of, processes_of
from services.process import until
from services.run import VARIABLE, run_folder


def mutant_in(path: str) -> Mutant:
    return next(each for each in mutants_of(path.split("/")[1]) if each.path == path)


def state(pid: int) -> str:
    """Return the letter of a process, or "" if there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def test_the_test_file_named_after_the_module_runs_first_and_every_file_runs() -> None:
    files = order_files(mutant_in("keyturn/core/csrf.py"))
    assert files[0].name == "test_csrf.py"
    assert sorted(files) == sorted((TESTS / "core").glob("test_*.py"))


def test_files_without_a_server_run_before_those_with_one() -> None:
    names = [each.name for each in order_files(mutant_in("keyturn/stores/sql/sessions.py"))]
    assert names.index("test_sqlite.py") < names.index("test_standby.py")


def test_the_contract_over_redis_runs_before_files_that_stop_servers() -> None:
    names = [each.name for each in order_files(mutant_in("keyturn/stores/redis/sessions.py"))]
    assert names.index("test_redis_contract.py") < names.index("test_quarantine.py")
    assert order_files(mutant_in("keyturn/stores/redis/address.py"))[0].name == "test_redis_address.py"


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (Ended(0, "3 passed"), (SURVIVED, "")),
        (
            Ended(1, "FAILED tests/core/test_a.py::test_b[x y] - assert 1 == 2\n1 failed"),
            (CAUGHT, "tests/core/test_a.py::test_b[x y]"),
        ),
        (Ended(2, "ERROR tests/core/test_a.py\n1 error"), (CAUGHT, "tests/core/test_a.py")),
        (Ended(1, "FAILED tests/core/test_a.py::test_b[x - y] - why"), (CAUGHT, "tests/core/test_a.py::test_b[x - y]")),
        (
            Ended(1, "FAILED tests/core/test_a.py::test_b[x[ - y] - z[0] - w"),
            (CAUGHT, "tests/core/test_a.py::test_b[x[ - y]"),
        ),
        (Ended(1, "1 failed"), (BROKEN, "exit status 1: 1 failed")),
        (Ended(2, "KeyboardInterrupt"), (BROKEN, "exit status 2: KeyboardInterrupt")),
        (Ended(3, "INTERNALERROR> boom"), (BROKEN, "exit status 3: INTERNALERROR> boom")),
        (Ended(4, "ImportError while loading conftest\nE   boom"), (BROKEN, "exit status 4: E   boom")),
        (Ended(5, "no tests ran"), (BROKEN, "exit status 5: no tests ran")),
        (
            Ended(1, "E   Failed: Timeout (>60.0s)\nFAILED tests/core/test_a.py::test_b"),
            (HANG, "tests/core/test_a.py::test_b"),
        ),
        (
            Ended(1, "ERROR    a.b:c.py:1 a log record\nFAILED tests/core/test_a.py::test_b"),
            (CAUGHT, "tests/core/test_a.py::test_b"),
        ),
        (
            Ended(None, "E   Failed: Timeout (>60.0s)\nFAILED tests/core/test_a.py::test_b"),
            (HANG, "tests/core/test_a.py::test_b"),
        ),
        (Ended(None, "..."), (BROKEN, "time limit: ...")),
        (Ended(-9, "..."), (BROKEN, "signal 9")),
    ],
)
def test_the_verdict_names_the_test_that_failed(ended: Ended, verdict: tuple[str, str]) -> None:
    assert read_verdict(ended) == verdict


def test_a_planted_fault_is_caught_and_the_work_tree_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    path = "keyturn/core/csrf.py"  # examples of Hypothesis would be shrunk first
    before = (SRC / path).read_bytes()
    mutant = next(each for each in mutants_of("core") if each.path == path and each.operator == "comparison")
    with trial(seed=1) as attempt:
        result = attempt.try_mutant(mutant)
    assert (result.verdict, result.by.partition("::")[0]) == (CAUGHT, "tests/core/test_csrf.py")
    assert (SRC / path).read_bytes() == before


def test_a_mutant_is_caught_by_a_test_that_fails_twice() -> None:
    flaky, steady = "tests/core/test_a.py::test_flaky", "tests/core/test_b.py::test_steady"
    failed = {test: Ended(1, f"FAILED {test} - why") for test in (flaky, steady)}
    answers = iter([failed[flaky], Ended(0, ""), failed[steady], failed[steady]])
    asked: list[list[str]] = []

    def run_tests(arguments: Sequence[str]) -> Ended:
        asked.append(list(arguments))
        return next(answers)

    assert judge(run_tests, ["tests/core"]) == (CAUGHT, steady)
    assert asked == [["tests/core"], [flaky], ["tests/core", f"--deselect={flaky}"], [steady]]


@pytest.mark.parametrize(
    "again", [Ended(4, "ERROR: not found"), Ended(5, "no tests ran"), Ended(2, "interrupted"), Ended(None, "")]
)
def test_a_test_that_cannot_be_repeated_catches_no_mutant(again: Ended) -> None:
    answers = iter([Ended(1, "FAILED tests/core/test_a.py::test_b - why"), again])
    assert judge(lambda _: next(answers), ["tests/core"])[0] == BROKEN


def test_a_module_that_cannot_be_imported_twice_catches() -> None:
    ended = Ended(2, "ERROR tests/core/test_a.py - NameError: x\n1 error")
    assert judge(lambda _: ended, ["tests/core"]) == (CAUGHT, "tests/core/test_a.py")


def test_a_hanging_command_is_killed_with_its_children(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '300'], start_new_session=True); "
    child += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); print('begun', flush=True); time.sleep(300)"
    ended = run([sys.executable, "-c", child], tmp_path, os.environ, 3)
    assert ended == Ended(None, "begun\n")
    pid = int((tmp_path / "pid").read_text())
    until(lambda: state(pid) in "Z")


SHARED = "import os, time; from services.shared import shared; shared('redis'); print(os.environ['TMPDIR']); {then}"
"""A command that starts a server which belongs to a run, not to the command."""


@pytest.mark.parametrize("then", ["", "time.sleep(300)"])
def test_a_server_that_a_command_shares_is_ended_with_it(then: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1"}
    ended = run([sys.executable, "-c", SHARED.format(then=then)], tmp_path, environment, 15)
    own = Path(ended.output.strip())
    assert own.parent == run_folder()
    assert not own.exists()
    assert processes_of(own) == []


def test_a_terminated_mutation_check_leaves_no_process_or_file(tmp_path: Path) -> None:
    rest = {name: value for name, value in os.environ.items() if name != VARIABLE}
    process = subprocess.Popen(
        [sys.executable, "-m", "mutation", "--count", "1", "--package", "flows"],
        env={**rest, "TMPDIR": str(tmp_path), "PYTHONPATH": str(TESTS)},
        stderr=subprocess.DEVNULL,
    )
    until(lambda: list(tmp_path.glob("keyturn-tests-*/*/trial-*")) != [])
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    until(lambda: list(tmp_path.glob("keyturn-tests-*/*")) == [])
    until(lambda: [pid for pid in processes_of(tmp_path) if "cleanup.py" not in command_of(pid)] == [])


def test_the_status_and_the_output_of_a_command_are_returned(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path, os.environ, 10) == Ended(3, "out\nerr\n")

"""One trial: which tests run first, how their end is read, and that nothing of it is left."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mutation.finder import mutants_of
from mutation.order import TESTS, order_files
from mutation.processes import Ended, run
from mutation.source import SRC, Mutant
from mutation.trial import BROKEN, CAUGHT, HANG, SURVIVED, judge, read_verdict, trial


def mutant_in(path: str) -> Mutant:
    return next(each for each in mutants_of(path.split("/")[1]) if each.path == path)


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
        (Ended(4, "ImportError while loading conftest\nE   boom"), (CAUGHT, "E   boom")),
        (
            Ended(1, "E   Failed: Timeout (>60.0s)\nFAILED tests/core/test_a.py::test_b"),
            (HANG, "tests/core/test_a.py::test_b"),
        ),
        (
            Ended(1, "ERROR    a.b:c.py:1 a log record\nFAILED tests/core/test_a.py::test_b"),
            (CAUGHT, "tests/core/test_a.py::test_b"),
        ),
        (Ended(None, "..."), (HANG, "...")),
        (Ended(-9, "..."), (BROKEN, "signal 9")),
    ],
)
def test_the_verdict_names_the_test_that_failed(ended: Ended, verdict: tuple[str, str]) -> None:
    assert read_verdict(ended) == verdict


def test_a_planted_fault_is_caught_and_the_work_tree_stays_as_it_was() -> None:
    path = "keyturn/core/csrf.py"  # examples of Hypothesis would be shrunk first
    before = (SRC / path).read_bytes()
    mutant = next(each for each in mutants_of("core") if each.path == path and each.operator == "comparison")
    with trial(seed=1) as attempt:
        result = attempt.try_mutant(mutant)
    assert (result.verdict, result.by.partition("::")[0]) == (CAUGHT, "tests/core/test_csrf.py")
    assert (SRC / path).read_bytes() == before


def test_a_test_that_fails_once_catches_nothing_and_one_that_fails_twice_does() -> None:
    flaky, steady = "tests/core/test_a.py::test_flaky", "tests/core/test_b.py::test_steady"
    failed = {test: Ended(1, f"FAILED {test} - why") for test in (flaky, steady)}
    answers = iter([failed[flaky], Ended(0, ""), failed[steady], failed[steady]])
    asked: list[list[str]] = []

    def run_tests(arguments: Sequence[str]) -> Ended:
        asked.append(list(arguments))
        return next(answers)

    assert judge(run_tests, ["tests/core"]) == (CAUGHT, steady)
    assert asked == [["tests/core"], [flaky], ["tests/core", f"--deselect={flaky}"], [steady]]


def test_a_command_that_hangs_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '300'], start_new_session=True); "
    child += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); print('begun', flush=True); time.sleep(300)"
    ended = run([sys.executable, "-c", child], tmp_path, os.environ, 3)
    assert ended == Ended(None, "begun\n")
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}/stat").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_status_and_the_output_of_a_command_are_returned(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path, os.environ, 10) == Ended(3, "out\nerr\n")

"""Nothing is left out: every test is in one phase, every long one has one that stands in for it."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

from services.run import ROOT
from tiers.phases import CONTRACT, PHASES
from tiers.test_tiers import planted, python

TESTS = ROOT / "tests"
FOREIGN = ("node_modules", "__pycache__")
"""Folders of other people's programs."""


def files_in(tests: Path) -> list[Path]:
    """Return the Python files below ``tests`` that are ours."""
    found: list[Path] = []
    for folder, folders, names in os.walk(tests):
        folders[:] = [each for each in folders if each not in FOREIGN]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(found)


def has_tests(file: Path) -> bool:
    """Return whether pytest would find tests in a file if it looked."""
    body = ast.parse(file.read_text()).body
    functions = [each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(name.startswith("test_") for name in functions)


def unseen_in(tests: Path, ignored: list[str]) -> list[Path]:
    """Return the files with tests that pytest does not look at: by their names, or in folders that it passes over."""
    files = [each for each in files_in(tests) if each.name.startswith("test_") or has_tests(each)]
    passed_over = [
        each for each in files if any(Path(part).match(one) for part in folders(each, tests) for one in ignored)
    ]
    return [each for each in files if not each.name.startswith("test_") or each in passed_over]


def folders(file: Path, tests: Path) -> tuple[str, ...]:
    return file.relative_to(tests).parent.parts


def test_every_test_is_in_one_phase() -> None:
    files = [str(each.relative_to(ROOT)) for each in files_in(TESTS) if each.name.startswith("test_")]
    assert files
    for file in files:
        homes = [phase.name for phase in PHASES for path in phase.paths if file == path or file.startswith(path + "/")]
        assert len(homes) == (2 if file == CONTRACT else 1), file
    assert f"--ignore={CONTRACT}" in PHASES[1].options


def test_pytest_looks_at_every_file_with_tests(pytestconfig: pytest.Config) -> None:
    assert unseen_in(TESTS, pytestconfig.getini("norecursedirs")) == []


@pytest.mark.parametrize("name", ["checks_of_it.py", "build/test_it.py", ".hidden/test_it.py"])
def test_a_file_that_pytest_passes_over_is_found(tmp_path: Path, name: str, pytestconfig: pytest.Config) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("def test_it():\n    pass\n")
    (tmp_path / "test_seen.py").write_text("def test_it():\n    pass\n")
    assert unseen_in(tmp_path, pytestconfig.getini("norecursedirs")) == [tmp_path / name]


STAND_INS = """
import json, sys, pytest
class Collector:
    def pytest_collection_finish(self, session):
        self.items = session.items
collector = Collector()
status = pytest.main(["--collect-only", "-qq", "--long", *sys.argv[1:]], plugins=[collector])
marks = {each.nodeid: each.get_closest_marker("long") for each in collector.items}
print("\\n" + json.dumps({name: mark and mark.kwargs["stands_in"] for name, mark in marks.items()}))
sys.exit(status)
"""


def test_every_long_test_names_one_that_stands_in_for_it(tmp_path: Path) -> None:
    """It is there, and runs in ``scripts/test``."""
    texts = {each: each.read_text() for each in TESTS.rglob("test_*.py")}
    marked = {each for each, text in texts.items() if "mark.long" in text}
    # Where those that stand in are: collected at once with the others.
    named = {ROOT / name for each in marked for name in re.findall(r"tests/[\w/]+/test_\w+\.py", texts[each])}
    files = sorted(map(str, marked | named & set(texts)))
    done = python(tmp_path, "-c", STAND_INS, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    stand_ins = json.loads(done.stdout.splitlines()[-1])
    short = {name for name, stands_in in stand_ins.items() if not stands_in}
    assert short != set(stand_ins)
    missing = [f"{name} -> {each}" for name, each in stand_ins.items() if each and each not in short]
    assert missing == []


@pytest.mark.parametrize("mark", ["long", "long()", "long(stands_in=None)", "long('tests/test_x.py::test_y')"])
def test_a_long_test_without_a_stand_in_is_refused(tmp_path: Path, mark: str) -> None:
    file = planted(tmp_path, f"import pytest\n@pytest.mark.{mark}\ndef test_it():\n    pass\n")
    done = python(tmp_path, "-m", "tiers", "test", file)
    assert done.returncode == 1
    assert "::test_it: write @pytest.mark.long(stands_in=" in done.stderr

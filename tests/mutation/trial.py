"""Try mutants: run the tests of a package over a mutated copy of the sources."""

import compileall
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mutation.order import TESTS, order_files
from mutation.processes import Ended, run
from mutation.source import SRC, Mutant
from services.run import run_folder
from tiers.session import INHERITED

CAUGHT, HANG, SURVIVED, BROKEN = "caught", "caught (hang)", "survived", "broken off"
PASSED, FAILED = "passed", "failed"
TEST_SECONDS = 60
"""A single test that takes longer hangs: pytest-timeout ends it, and so the mutant is caught."""
_TIMED_OUT = re.compile(r"Failed: Timeout|\+ Timeout \+")
_COLLECTION = re.compile(r"^ERROR \S+\.py(?: |$)", re.M)


@dataclass(frozen=True, slots=True)
class Check:
    """The tests of one package over the unmutated copy. ``by``: the test that failed. ``output``: what pytest said."""

    verdict: str
    by: str
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one mutant. ``by``: the test that caught it, or where its tests stopped."""

    mutant: Mutant
    verdict: str
    by: str
    seconds: float


class Trial:
    """Copies of the sources in ``folder``, and pytest over them. ``seed``: Hypothesis draws the same examples."""

    def __init__(self, folder: Path, seed: int, run_seconds: float = 600) -> None:
        self._folder = folder
        self._seed = seed
        self._run_seconds = run_seconds
        self._pristine = folder / "src"
        shutil.copytree(SRC, self._pristine, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        # Compiled once: every mutant's copy takes the bytecode of the other files with it.
        compileall.compile_dir(self._pristine, quiet=2)

    def check(self, package: str) -> Check:
        """Run the tests of ``package`` over the unmutated copy: they must pass before a mutant means anything."""
        began = time.monotonic()
        ended = self._pytest(self._pristine, [f"tests/{package}"])
        verdict, by = read_verdict(ended)
        return Check(PASSED if verdict == SURVIVED else FAILED, by, time.monotonic() - began, ended.output)

    def try_mutant(self, mutant: Mutant) -> Result:
        """Run the tests of the mutant's package until one fails, and fails again: a flake catches nothing."""
        began = time.monotonic()
        with self._scratch() as scratch:
            src = Path(shutil.copytree(self._pristine, scratch / "src"))
            _mutate(src, mutant)
            names = [str(each.relative_to(TESTS.parent)) for each in order_files(mutant)]
            verdict, by = judge(partial(self._pytest, src), names)
        return Result(mutant, verdict, by, time.monotonic() - began)

    def _pytest(self, src: Path, arguments: Sequence[str]) -> Ended:
        options = ["-x", "-q", "--tb=line", "-c", "pyproject.toml", "--rootdir=.", "-p", "no:cacheprovider"]
        options.append(f"--timeout={TEST_SECONDS}")
        with self._scratch() as scratch:
            options += [f"--hypothesis-seed={self._seed}", f"--basetemp={scratch / 'tmp'}"]
            # Failing examples of a mutant are none of the code in the work tree: they are kept out of it.
            variables = {"PYTHONPATH": str(src), "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis")}
            command = [sys.executable, "-m", "pytest", *options, *arguments]
            kept = {name: value for name, value in os.environ.items() if name not in INHERITED}
            return run(command, TESTS.parent, {**kept, **variables}, self._run_seconds)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        folder.chmod(0o755)  # a database server under another user looks into it
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def read_verdict(ended: Ended) -> tuple[str, str]:
    """Return the verdict of a run of pytest, and the test that failed or what was said where none is named."""
    if ended.status == 0:
        return SURVIVED, ""
    if ended.status is not None and ended.status < 0:
        # Killed from outside, by an operator or for want of memory: that says nothing about the tests.
        return BROKEN, f"signal {-ended.status}"
    by = _catcher(ended.output)
    if _TIMED_OUT.search(ended.output) and "::" in by:
        return HANG, by
    if (ended.status == 1 and "::" in by) or (ended.status == 2 and _COLLECTION.search(ended.output)):
        return CAUGHT, by
    status = "time limit" if ended.status is None else f"exit status {ended.status}"
    return BROKEN, f"{status}: {by}"


def judge(run_tests: Callable[[Sequence[str]], Ended], files: Sequence[str]) -> tuple[str, str]:
    """Return the verdict of ``files``, and the test that failed twice: one that fails once is left out."""
    flakes: list[str] = []
    while True:
        first = run_tests([*files, *flakes])
        verdict, by = read_verdict(first)
        if verdict not in (CAUGHT, HANG):
            return verdict, by
        second = run_tests([by])
        if second.status == first.status and read_verdict(second)[0] in (CAUGHT, HANG):
            return verdict, by
        if second.status != 0 or "::" not in by:
            return BROKEN, f"failed once, then exit status {second.status}: {by}"
        flakes.append(f"--deselect={by}")


@contextmanager
def trial(seed: int) -> Iterator[Trial]:
    """Make a ``Trial`` in the folder of this run, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutation-", dir=run_folder(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Trial(Path(folder), seed)


def _mutate(src: Path, mutant: Mutant) -> None:
    file = src / mutant.path
    file.write_bytes(mutant.apply(file.read_bytes()))
    # Bytecode is checked by second and size, and a mutant may have both of the original.
    for each in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        each.unlink()


def _catcher(output: str) -> str:
    """Return the test or file that pytest's summary names, or the last line where it names none."""
    if found := re.search(r"^(?:FAILED|ERROR) (\S+\.py.*)$", output, re.M):
        return _id(found[1])
    lines = output.strip().splitlines() or ["no output"]
    return lines[-1]


def _id(text: str) -> str:
    """Return the id at the start of ``ID - REASON``. An id may contain " - ", within its brackets."""
    ends = (text[: each.start()] for each in re.finditer(r" - |$", text))
    return next((each for each in ends if "[" not in each or each.endswith("]")), text)

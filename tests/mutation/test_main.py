"""What a run of the check says."""

import pytest

from mutation.__main__ import _check
from mutation.finder import mutants_of
from mutation.trial import FAILED, PASSED, Check, Trial


class Checked(Trial):
    """Tries nothing: answers what the tests of the unmutated copy came to."""

    def __init__(self, verdict: str) -> None:
        self._verdict = verdict

    def check(self, package: str) -> Check:
        lines = "\n".join(f"line {number}." for number in range(100))
        return Check(self._verdict, "", 1.0, f"{lines}\nof {package}")


def test_an_unmutated_copy_that_fails_shows_the_end_of_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert not _check(Checked(FAILED), mutants_of("core")[:1], 1)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "first the tests of the unmutated copy"
    assert said[-21:] == [
        *(f"line {number}." for number in range(81, 100)),
        "of core",
        "no mutant was tried; run scripts/test TEST, or --no-check",
    ]


def test_an_unmutated_copy_that_passes_shows_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(Checked(PASSED), mutants_of("core")[:1], 1)
    assert "line 99." not in capsys.readouterr().err

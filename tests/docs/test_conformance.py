"""The conformance page says what the marks say, and the marks are well-formed."""

import re
from pathlib import Path

import pytest

from docs.conformance import PAGE, collect, marks, page, standard

FOUND = collect()


def test_the_conformance_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(FOUND), "run: .venv/bin/python tests/docs/conformance.py"


@pytest.mark.parametrize("clause", FOUND)
def test_a_clause_is_a_section_of_a_standard_we_name(clause: str) -> None:
    assert re.fullmatch(r"\d+(\.\d+)*( \([\w -]+\))?", clause.removeprefix(standard(clause) + " "))


def test_an_unknown_standard_is_an_error() -> None:
    with pytest.raises(KeyError):
        standard("RFC 2549 3.1")


def test_a_new_mark_makes_the_page_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docs.conformance.REPOSITORY", tmp_path)
    file = tmp_path / "test_it.py"
    file.write_text("@pytest.mark.conforms('RFC 9700 4.14.2')\nasync def test_it(): ...\n")
    assert list(marks(file)) == [("RFC 9700 4.14.2", "test_it.py::test_it")]
    assert page({**FOUND, "RFC 9700 9.9": ["tests/test_it.py::test_it"]}) != page(FOUND)

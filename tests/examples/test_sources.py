"""The sources of the examples: small, and over public modules only."""

import re
from pathlib import Path

import pytest

from examples.running import EXAMPLES

OTHERS = ("node_modules", "__pycache__", "README.md", "package-lock.json")
FILES = (each for each in EXAMPLES.rglob("*") if each.is_file() and not set(each.parts) & set(OTHERS))
SOURCES = sorted(FILES)
PROGRAMS = [each for each in SOURCES if each.suffix == ".py"]
PUBLIC = re.compile(r"keyturn(\.errors|\.accounts[\w.]*|\.integrations\.[\w.]*)?")


def name_of(file: Path) -> str:
    return str(file.relative_to(EXAMPLES))


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_a_source_of_an_example_has_at_most_60_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 60


@pytest.mark.parametrize("file", PROGRAMS, ids=name_of)
def test_an_example_uses_public_modules_only(file: Path) -> None:
    modules = re.findall(r"(?:from|import) (keyturn[\w.]*)", file.read_text())
    assert [each for each in modules if not PUBLIC.fullmatch(each)] == []

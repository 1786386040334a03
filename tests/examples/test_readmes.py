"""The READMEs of the examples: short, with links that lead somewhere and figures that were measured."""

import re
from pathlib import Path

import pytest

from docs.page import REPOSITORY
from examples.running import EXAMPLES

READMES = sorted(EXAMPLES.rglob("README.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("readme", READMES, ids=lambda each: each.parent.name)
def test_a_link_in_a_readme_leads_to_a_file(readme: Path) -> None:
    links = LINK.findall(readme.read_text())
    assert links
    assert [each for each in links if not (readme.parent / each).exists()] == []


@pytest.mark.parametrize("readme", READMES, ids=lambda each: each.parent.name)
def test_a_readme_is_at_most_250_words(readme: Path) -> None:
    assert len(readme.read_text().split()) <= 250


@pytest.mark.parametrize("readme", READMES, ids=lambda each: each.parent.name)
def test_a_measured_figure_in_a_readme_is_in_the_table_of_figures(readme: Path) -> None:
    table = (REPOSITORY / "bench" / "README.md").read_text().partition("<!-- bench:begin -->")[2]
    figures = re.findall(r"[\d.,]+(?= (?:µs|ms)\b)", readme.read_text())
    assert [each for each in figures if not re.search(rf"\b{re.escape(each)}\b", table)] == []


def test_the_table_names_every_example() -> None:
    folders = {each.parent.name for each in READMES} - {"examples"}
    assert set(re.findall(r"\]\((\w+)/README\.md\)", (EXAMPLES / "README.md").read_text())) == folders

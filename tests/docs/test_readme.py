"""The README fits on one screen, and its figures are those of the last whole run."""

import re

from bench import pages
from docs.page import REPOSITORY

README = REPOSITORY / "README.md"
MAX_WORDS = 700


def test_the_readme_has_at_most_700_words() -> None:
    assert len(README.read_text().split()) <= MAX_WORDS


def test_the_readme_shows_four_figures_and_one_plot() -> None:
    table = README.read_text().partition(pages.BEGIN)[2].partition(pages.END)[0]
    assert len(re.findall(r"^\| (?!\|)", table, re.MULTILINE)) == 4
    assert README.read_text().count("_static/figures.svg") == 1


def test_the_readme_names_no_goal_and_calls_none_missed() -> None:
    assert "missed" not in README.read_text().lower()
    assert (REPOSITORY / "bench" / "README.md").read_text().lower().count("missed:") == 1


def test_the_tables_are_those_of_the_last_run() -> None:
    document = pages.read_results(REPOSITORY / "bench" / "results" / "latest.json")
    assert pages.short_table(document) in README.read_text()
    assert pages.full_table(document) in (REPOSITORY / "bench" / "README.md").read_text()

"""Links between the pages that Sphinx does not see lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.page import REPOSITORY

PAGES = [
    REPOSITORY / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "GLOSSARY.md", "changes/README.md")
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file_of_the_repository(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_contributing_lists_every_package() -> None:
    listed = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("## Where things are")[2].partition("`lab/`")[0]
    packages = {
        each.stem for each in (REPOSITORY / "src" / "keyturn").iterdir() if not each.name.startswith(("_", "py.typed"))
    }
    assert packages - set(re.findall(r"`(\w+)`", listed)) <= {"data"}

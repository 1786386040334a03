"""Links between the pages that Sphinx does not see lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.page import HOUSE

PAGES = [HOUSE / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "GLOSSARY.md", "changes/README.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_something_in_the_house(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_the_map_of_the_house_leads_everywhere() -> None:
    text = (HOUSE / "README.md").read_text()
    rooms = {each.stem for each in (HOUSE / "src" / "keyturn").iterdir() if not each.name.startswith(("_", "py.typed"))}
    named = {Path(link).parts[2].removesuffix(".py") for link in LINK.findall(text) if link.startswith("src/keyturn/")}
    assert named <= rooms
    assert rooms - named <= {"data", "signing"}

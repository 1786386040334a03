"""Every refusal is documented: docs/reference/errors.md against keyturn.errors."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn.errors import Refusal

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
SECTION = re.compile(r"^## (?P<code>[a-z_]+)\n\n(?P<summary>.+)\n\n(?P<prose>.+)$", re.MULTILINE)


def tree(root: type[Refusal]) -> Iterator[type[Refusal]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


REFUSALS = [each for each in tree(Refusal) if each.__module__ == "keyturn.errors" and "code" in vars(each)]
SECTIONS = {section["code"]: section for section in SECTION.finditer(PAGE.read_text())}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_has_a_section_that_says_what_the_code_says(refusal: type[Refusal]) -> None:
    assert SECTIONS[refusal.code]["summary"] == f"**{refusal.status}** `{refusal.__name__}`: {refusal.hint}"
    assert len(SECTIONS[refusal.code]["prose"]) > 30


@pytest.mark.parametrize("code", SECTIONS)
def test_a_section_belongs_to_a_refusal(code: str) -> None:
    assert code in {refusal.code for refusal in REFUSALS}


def test_no_two_refusals_share_a_code() -> None:
    codes = [refusal.code for refusal in REFUSALS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_links_to_its_section(refusal: type[Refusal]) -> None:
    page, _, anchor = refusal("why").docs.partition("#")
    assert page.endswith(f"/{PAGE.parent.name}/{PAGE.stem}.html")
    assert anchor.replace("-", "_") in SECTIONS  # Sphinx writes the underscores of a heading as dashes
    assert "_" not in anchor

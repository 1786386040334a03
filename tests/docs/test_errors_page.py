"""Every refusal is documented: docs/reference/errors.md against keyturn.errors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.errors_page import PAGE as SERVED
from docs.errors_page import SECTION, page
from keyturn.errors import Refusal

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def tree(root: type[Refusal]) -> Iterator[type[Refusal]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


REFUSALS = [each for each in tree(Refusal) if each.__module__.startswith("keyturn.errors.") and "code" in vars(each)]
SECTIONS = {section["code"]: section for section in SECTION.finditer(PAGE.read_text())}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_has_a_section_with_its_status_and_hint(refusal: type[Refusal]) -> None:
    assert SECTIONS[refusal.code]["summary"] == f"**{refusal.status}** `{refusal.__name__}`: {refusal.hint}"
    assert len(SECTIONS[refusal.code]["prose"]) > 30


@pytest.mark.parametrize("code", SECTIONS)
def test_a_section_belongs_to_a_refusal(code: str) -> None:
    assert code in {refusal.code for refusal in REFUSALS}


def test_no_two_refusals_share_a_code() -> None:
    codes = [refusal.code for refusal in REFUSALS]
    assert sorted(codes) == sorted(set(codes))


def test_the_page_that_issuers_serve_is_made_from_this_one() -> None:
    assert page() == SERVED.read_text(), "run python tests/docs/errors_page.py"


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_the_served_page_has_a_section_for_each_code(refusal: type[Refusal]) -> None:
    assert (f'<section id="{refusal.code}">' in SERVED.read_text()) == (refusal.code != "refused")

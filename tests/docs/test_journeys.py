"""The journeys drawn in ``docs/topics/architecture.md`` are those of the running code."""

import re
from pathlib import Path

import pytest

from docs.journey_drawings import draw, drawing_of
from docs.journeys import STATIONS, Hop, trace_issuer, trace_revocation, trace_verifier

PHONE_COLUMN = 368
"""Width of the text on a screen of 400 px."""


def stops(name: str, traced: list[Hop]) -> list[Hop]:
    """Return the drawn functions in the order in which they were entered."""
    return [each for each in traced if each in STATIONS[name]]


@pytest.mark.parametrize("name", ["cookie", "refresh"])
def test_a_journey_through_an_issuer_is_drawn_as_it_is(name: str, tmp_path: Path) -> None:
    assert stops(name, trace_issuer(tmp_path)[name]) == list(STATIONS[name])


def test_the_journey_of_a_token_through_a_verifier_is_drawn_as_it_is() -> None:
    assert stops("token", trace_verifier()) == list(STATIONS["token"])


def test_the_journey_of_a_revocation_is_drawn_as_it_is(tmp_path: Path) -> None:
    assert stops("revoke", trace_revocation(tmp_path)) == list(STATIONS["revoke"])


@pytest.mark.parametrize("name", STATIONS)
def test_the_drawing_of_a_journey_is_up_to_date(name: str) -> None:
    assert drawing_of(name).read_text(encoding="utf-8") == draw(name), (
        "run PYTHONPATH=tests:. python tests/docs/journey_drawings.py"
    )


@pytest.mark.parametrize("name", STATIONS)
def test_the_text_of_a_journey_has_12_px_on_a_screen_of_400_px(name: str) -> None:
    width, size = (int(re.search(each, draw(name))[1]) for each in (r'viewBox="0 0 (\d+) ', r"font-size: (\d+)px"))  # type: ignore[index]
    assert size * PHONE_COLUMN / width >= 12

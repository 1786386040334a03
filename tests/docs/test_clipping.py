"""At the width of a small laptop no page of the documentation cuts off a table or a block of code."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from docs.page import REPOSITORY

DOCS = REPOSITORY / "docs"
HTML = DOCS / "_build"
WIDTH, HEIGHT = 1280, 800
SOURCES = sorted(each.relative_to(DOCS) for each in DOCS.rglob("*.md") if "_build" not in each.parts)

CLIPPED = """() => {
  const column = document.querySelector("article");
  const edge = Math.min(column.getBoundingClientRect().right, innerWidth) + 1;
  const isCut = (each) => each.clientWidth && each.scrollWidth > each.clientWidth + 1;
  return [...column.querySelectorAll("pre, table, th, td, td code, dt, img, .highlight, .table-wrapper")]
    .filter((each) => isCut(each) || each.getBoundingClientRect().right > edge)
    .map((each) => `<${each.localName}> ${each.textContent.trim().slice(0, 50)}`);
}"""
"""What scrolls inside of itself, or reaches out of the column of text or of the window."""


@pytest.fixture(scope="module")
def html() -> Path:
    """Build the pages with ``scripts/docs`` (incrementally) and return their directory."""
    built = subprocess.run([REPOSITORY / "scripts" / "docs"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return HTML


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}) as opened:
        yield opened


def clipped(page: Page, path: Path) -> list[str]:
    """Return the start of each block of a page that is cut off."""
    page.goto(path.as_uri())
    found: list[str] = page.evaluate(CLIPPED)
    return found


def test_no_page_clips_a_table_or_a_block_of_code(html: Path, page: Page) -> None:
    found = {str(each): clipped(page, html / each.with_suffix(".html")) for each in SOURCES}
    assert {name: blocks for name, blocks in found.items() if blocks} == {}


@pytest.mark.parametrize(
    "block",
    [
        "<pre>" + "x" * 300 + "</pre>",
        "<table>" + ("<td>" + "x" * 30) * 20 + "</table>",
        "<div class='table-wrapper' style='overflow-x: auto'>" + "x" * 300 + "</div>",
        "<pre style='overflow: visible; width: 200vw'>x</pre>",
    ],
    ids=["long line", "many columns", "wrapper that scrolls", "wider than the window"],
)
def test_a_clipped_block_is_counted(page: Page, tmp_path: Path, block: str) -> None:
    planted = tmp_path / "planted.html"
    planted.write_text(f"<article style='width: 900px'><p>{'word ' * 900}</p>{block}</article>")
    assert clipped(page, planted) != []


def test_a_block_that_fits_is_not_counted(page: Page, tmp_path: Path) -> None:
    planted = tmp_path / "planted.html"
    planted.write_text("<article><pre>short</pre><table><tr><td>short</td></tr></table></article>")
    assert clipped(page, planted) == []

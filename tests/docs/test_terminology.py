"""One name per concept: prose uses the words of the glossary, not those beside them."""

import re

import pytest

from docs.page import HOUSE, Page, pages

GLOSSARY = (HOUSE / "GLOSSARY.md").read_text()
NAMED = {row.split("|")[1].split("(")[0].strip() for row in GLOSSARY.splitlines() if row.startswith("| ")}

# Of the words that are not to be used, those that mean nothing else in our prose.
AVOIDED = (
    *("user id", "uid", "session key", "pepper", "app key", "signed cookie", "auth cookie", "renewal token"),
    *("current user", "validator", "timestamp", "ttl", "max age", "skew", "sudo mode", "epoch", "token version"),
    *("blacklist", "pub/sub", "dao", "preset", "api key", "middleware"),
)
# Pages that have to name what others call it, or a class of another library.
QUOTES = {"GLOSSARY.md", "docs/glossary.md", "docs/prior-art.md"}
PROSE = [each for each in pages() if each.path not in QUOTES]


def prose(text: str) -> str:
    """Without blocks of code, code in the line, links' targets and comments."""
    for other in (r"^ *```.*?^ *```$", r"`[^`\n]*`", r"\]\([^)]*\)", r"<!--.*?-->"):
        text = re.sub(other, " ", text, flags=re.M | re.S)
    return text


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.path)
def test_a_page_uses_the_words_of_the_glossary(page: Page) -> None:
    found = [each for each in AVOIDED if re.search(rf"\b{re.escape(each)}s?\b", prose(page.text), re.I)]
    assert found == []


@pytest.mark.parametrize("word", AVOIDED)
def test_what_is_avoided_is_in_the_glossary(word: str) -> None:
    beside = " ".join(row.rstrip("| ").rpartition("|")[2] for row in GLOSSARY.splitlines() if row.startswith("| "))
    assert re.search(rf"\b{re.escape(word)}\b", beside, re.I)


@pytest.mark.parametrize("word", ["session", "grace window", "staleness bound", "refusal", "session cache", "upkeep"])
def test_the_words_we_build_on_are_explained(word: str) -> None:
    assert word in NAMED

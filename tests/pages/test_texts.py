"""The catalogue of texts: languages, an operator's own, and completeness."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from keyturn.errors import ConfigurationError
from keyturn.pages.renderer import Renderer
from keyturn.pages.texts import Catalogue
from pages.site import Visitor, open_site

HEBREW = '[language]\ndirection = "rtl"\n[login]\ntitle = "כניסה"\n'


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ("", "en"),
        ("de;q=0.1, he", "he"),
        ("he-IL, en", "he"),
        ("xx, en", "en"),
        ("he;q=0, en", "en"),
        (";q=x, he", "he"),
    ],
)
def test_the_language_is_the_one_that_a_browser_prefers(tmp_path: Path, asked: str, tag: str) -> None:
    (tmp_path / "he.toml").write_text(HEBREW, "utf-8")
    assert Catalogue(tmp_path).choose(asked).tag == tag


def test_a_page_has_its_language_and_direction(tmp_path: Path) -> None:
    (tmp_path / "he.toml").write_text(HEBREW, "utf-8")
    app, _ = open_site(pages_folder=str(tmp_path))
    visitor = Visitor(app, b"x", (b"accept-language", b"he")).get("/login")
    assert '<html lang="he" dir="rtl">' in visitor.text
    assert visitor.title == "כניסה"
    assert "Password" in visitor.text


def test_a_template_and_a_product_of_ones_own_replace_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "logo.html").write_text('<svg id="own"></svg>')
    app, _ = open_site(pages_folder=str(tmp_path), pages_product="Pots & Pans")
    text = Visitor(app).get("/login").text
    assert 'id="own"' in text
    assert "<title>Sign in · Pots &amp; Pans</title>" in text


def test_texts_that_are_no_catalogue_are_a_configuration_error(tmp_path: Path) -> None:
    for text in ("[login", 'title = "x"'):
        (tmp_path / "en.toml").write_text(text)
        with pytest.raises(ConfigurationError, match=r"en\.toml"):
            Renderer("x", str(tmp_path))
    with pytest.raises(ConfigurationError, match="pages_folder"):
        Renderer("x", str(tmp_path / "missing"))


def test_every_text_is_used_and_every_used_text_exists() -> None:
    pages = files("keyturn.pages")
    sources = "".join(each.read_text() for each in (pages / "templates").iterdir())
    used = set(re.findall(r'\bt\("([a-z_.]+)"[,)]', sources))
    known = set(Catalogue().choose("en").texts)
    assert used <= known
    assert {
        each
        for each in known - used
        if not each.startswith(("error.", "language.", "devices.ended", "claim.", "check."))
    } == set()

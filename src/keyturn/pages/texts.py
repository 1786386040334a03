"""Catalogue of every text of the pages, by language: one TOML file each, with a table for each page."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from keyturn.errors import ConfigurationError

DEFAULT_LANGUAGE: Final = "en"
_SHIPPED: Final = files("keyturn.pages") / "texts"


class Language(NamedTuple):
    """Texts of one language, by ``table.name``. ``direction``: ``ltr`` or ``rtl``, for the attribute ``dir``."""

    tag: str
    direction: str
    texts: Mapping[str, str]

    def text(self, name: str, **values: object) -> str:
        """Return a text with its values. Raises ``KeyError`` for a name that the catalogue lacks."""
        return self.texts[name].format(**values)


class Catalogue:
    """All languages. ``folder``: further files of an operator, whose texts replace shipped ones.

    Raises ``ConfigurationError`` for a file that is no catalogue.
    """

    def __init__(self, folder: Path | None = None) -> None:
        shipped = {each.name.removesuffix(".toml"): each.read_text("utf-8") for each in _SHIPPED.iterdir()}
        own = {each.stem: each.read_text("utf-8") for each in sorted(folder.glob("*.toml"))} if folder else {}
        base = _parse(DEFAULT_LANGUAGE, shipped[DEFAULT_LANGUAGE])
        self._languages = {
            tag: _language(tag, base, *(_parse(tag, source[tag]) for source in (shipped, own) if tag in source))
            for tag in (*shipped, *own)
        }

    def choose(self, accept_language: str) -> Language:
        """Return the language that a browser prefers (RFC 9110 section 12.5.4), else English."""
        for tag in _tags(accept_language):
            for known in (tag, tag.partition("-")[0]):
                if known in self._languages:
                    return self._languages[known]
        return self._languages[DEFAULT_LANGUAGE]


def _language(tag: str, *sources: Mapping[str, str]) -> Language:
    texts = {name: text for source in sources for name, text in source.items()}
    return Language(tag, texts.get("language.direction", "ltr"), texts)


def _parse(tag: str, text: str) -> dict[str, str]:
    try:
        tables = tomllib.loads(text)
        return {f"{table}.{name}": str(value) for table, named in tables.items() for name, value in named.items()}
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ConfigurationError(f"the texts {tag}.toml are no catalogue: {error}") from None


def _tags(accept_language: str) -> list[str]:
    """Return the tags of an Accept-Language header, the most preferred first. What is malformed counts as absent."""
    weighted: list[tuple[float, str]] = []
    for each in accept_language.split(",")[:20]:
        tag, _, quality = each.strip().partition(";q=")
        try:
            weighted.append((-float(quality or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighted, key=lambda pair: pair[0]) if weight < 0]

"""Names of modules, classes and functions: verbs and nouns of the field, no pronouns, adverbs or bare participles."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("src", "lab/src")
PRONOUNS = re.compile(
    "any(body|one)|every(body|one)|some(body|one|thing)|no(body|thing)|h(e|ers?|im|is)|its?|itself|me|mine|my|ours?|she|"
    "theirs?|them|they|us|we|what|which|who(ever|m|se)?|yours?|you"
)
NARRATIVE = re.compile(
    "about|again|alone|apart|aside|believe[ds]|born|broke|elsewhere|ever|gone|heard|held|here|kept|knew|known|left|lent|"
    "meets|never|said|sent|spoke|still|taken|there|told|went|where|yet"
)
ADVERB = re.compile("(?!apply|reply|supply|only).+ly")
PARTICIPLE = re.compile(".*[^e]ed")
EXCEPTIONS = {
    "TokenNotYetValid": "the claim nbf of RFC 7519 section 4.1.5",
    "Overloaded": "a refusal is named by the state that it reports",
    "Throttled": "a refusal is named by the state that it reports",
    "Unauthenticated": "a refusal is named by the state that it reports",
    "failed": "OutageLog is called with the event of an outage",
    "sealed": "the credentials called so in GLOSSARY.md",
    "required": "a decorator reads as a fact of its view, as login_required of Django and Flask-Login",
    "published": "the keys in the column `published` of docs/topics/keys.md",
    "recovered": "OutageLog is called with the event of an outage",
}


def bad_words(name: str) -> list[str]:
    """Return the words of ``name`` that are no part of a plain name."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    patterns = (PRONOUNS, NARRATIVE, ADVERB, *([PARTICIPLE] if len(words) == 1 else []))
    return [word for word in words if any(each.fullmatch(word) for each in patterns)]


def names_in(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        yield path.stem
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name


def test_names_hold_no_pronoun_adverb_or_bare_participle() -> None:
    names = {name for folder in SOURCES for name in names_in(REPOSITORY / folder)}
    assert {name: bad_words(name) for name in names if bad_words(name)}.keys() == EXCEPTIONS.keys()


def test_a_planted_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "again.py").write_text(
        "class Whoever:\n    async def settled(self): ...\n    def reply_quickly(self): ..."
    )
    assert [name for name in names_in(tmp_path) if bad_words(name)] == ["again", "Whoever", "settled", "reply_quickly"]

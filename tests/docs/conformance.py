"""The conformance table, from the marks on the tests. Read, never imported: a mark counts where it is written.

``python tests/docs/conformance.py`` writes docs/conformance.md anew.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "conformance.md"
MARK = "conforms"

STANDARDS = {
    "ASVS": "OWASP ASVS 5.0",
    "NIST SP 800-63B-4": "NIST SP 800-63B-4, authentication",
    "RFC 6265bis": "RFC 6265bis, cookies",
    "RFC 6749": "RFC 6749, OAuth 2.0",
    "RFC 6750": "RFC 6750, bearer tokens",
    "RFC 7009": "RFC 7009, revocation",
    "RFC 7515": "RFC 7515, JSON Web Signature",
    "RFC 7517": "RFC 7517, JSON Web Key",
    "RFC 7662": "RFC 7662, introspection",
    "RFC 8414": "RFC 8414, metadata",
    "RFC 8707": "RFC 8707, resource indicators",
    "RFC 8725": "RFC 8725, JWT best practice",
    "RFC 9068": "RFC 9068, access tokens",
    "RFC 9457": "RFC 9457, problem documents",
    "RFC 9700": "RFC 9700, OAuth security",
}

HEAD = """# Conformance

This page lists clauses of standards and the tests that show conformance to them. It is generated from marks on the
tests (`python tests/docs/conformance.py`), and a test fails when it is out of date, so every clause has a test.
Keyturn may or may not conform to a clause that is missing. Nothing on this site claims conformance to a whole standard.
Words in brackets narrow a clause to what its tests show.

Known deviations:

- Sign-up [reveals that an account exists](topics/threat-model.md) (ASVS 6.3.8).
- A retired refresh token [is accepted inside the grace window](topics/refresh.md) (ASVS 10.4.5, RFC 9700 4.14.2). Set
  `KEYTURN_REFRESH_GRACE_SECONDS=0` to turn the window off. `mobile` accepts it for longer, while
  [the response may be lost](topics/refresh.md#a-lost-response): `KEYTURN_REFRESH_LOST_RESPONSE_SECONDS=0` ends that.
- `mobile` sessions last [longer than NIST recommends](reference/policies.md).
- Passwords are [normalised](topics/passwords.md) before they are compared (ASVS 6.2.8).
- Access tokens are bearer tokens (ASVS 10.3.5).
- Failed logins are [limited by rate](decisions/0007-throttle-shape.md), without the cap of 100 in a row
  of NIST SP 800-63B-4, 3.2.2.
"""

Shown = dict[str, list[str]]


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """Clause and test id of every mark in a test file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for clause in _clauses(node):
                yield clause, f"{path.relative_to(REPOSITORY)}::{node.name}"


def collect() -> Shown:
    """Every clause with the tests that show it."""
    found: Shown = defaultdict(list)
    for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        if "node_modules" not in path.parts:
            for clause, test in marks(path):
                found[clause].append(test)
    return found


def standard(clause: str) -> str:
    """Return the standard of a clause. Raises ``KeyError`` if the page does not list it."""
    try:
        return next(each for each in STANDARDS if clause.startswith(each + " "))
    except StopIteration:
        raise KeyError(clause) from None


def page(found: Shown) -> str:
    """Render the page."""
    parts = [HEAD]
    for name, title in STANDARDS.items():
        mine = sorted((each for each in found if standard(each) == name), key=_order)
        if mine:
            rows = [f"| {each.removeprefix(name + ' ')} | {_linked(found[each])} |" for each in mine]
            parts.append("\n".join((f"## {title}\n", "| clause | tests |", "|---|---|", *rows)) + "\n")
    return "\n".join(parts)


def _clauses(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == MARK:
            yield from (str(ast.literal_eval(argument)) for argument in each.args)


def _order(clause: str) -> list[tuple[int, str]]:
    return [(int(number or 0), other) for number, other in re.findall(r"(\d+)|(\D+)", clause)]


def _linked(tests: list[str]) -> str:
    return "<br>".join(f"`{each.removeprefix('tests/')}`" for each in sorted(tests))


if __name__ == "__main__":
    PAGE.write_text(page(collect()))

"""Generate the page of refusals that every issuer serves at /docs/errors, from docs/reference/errors.md.

``python tests/docs/errors_page.py`` writes src/keyturn/web/errors.html anew. The page is one file without scripts, so
that it is readable offline and under a strict Content-Security-Policy.
"""

import re
from html import escape
from http import HTTPStatus
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "reference" / "errors.md"
PAGE = ROOT / "src" / "keyturn" / "web" / "errors.html"

SECTION = re.compile(r"^## (?P<code>[a-z_]+)\n\n(?P<summary>.+)\n\n(?P<prose>(?:.+\n)+)", re.MULTILINE)
_SUMMARY = re.compile(r"\*\*(?P<status>\d+)\*\* `(?P<name>\w+)`: (?P<hint>.+)")
_LINK = re.compile(r" See \[[^]]+\]\([^)]+\)\.|\[([^]]+)\]\([^)]+\)")

_STYLE = """
:root { color-scheme: light dark; --line: #d8dde3; --soft: #f4f6f8; --ink: #1b2430; --dim: #5a6675; --mark: #0b63ce }
@media (prefers-color-scheme: dark) {
  :root { --line: #303a46; --soft: #1a212a; --ink: #e6ebf1; --dim: #9aa7b5; --mark: #6fb1ff }
  body { background: #11161c }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem 6rem; max-width: 46rem; font: 1rem/1.6 system-ui, sans-serif;
  color: var(--ink) }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 } p { margin: .4rem 0 }
code { font: .92em ui-monospace, monospace; background: var(--soft); border-radius: 4px; padding: .1em .3em;
  overflow-wrap: anywhere }
a { color: var(--mark) } header p, section p + p { color: var(--dim) }
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1.2rem 0 2rem }
nav a { border: 1px solid var(--line); border-radius: 999px; padding: .15rem .7rem; font-size: .86rem;
  text-decoration: none }
section { border-top: 1px solid var(--line); padding: 1rem 0; scroll-margin-top: 1rem }
section:target { border-left: 4px solid var(--mark); padding-left: 1rem; background: var(--soft) }
h2 span { float: right; font-weight: 400; font-size: .86rem; color: var(--dim) }
""".strip()

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keyturn: refusals</title>
<style>{style}</style>
<header>
<h1>Refusals</h1>
<p>This server answers a refused request with one of these codes. The <code>code</code> is stable; the <code>hint</code>
says what to do next.</p>
</header>
"""


def page() -> str:
    """Return the whole page."""
    # The base class has a section for Python; no reply has its code.
    sections = [each for each in SECTION.finditer(SOURCE.read_text()) if each["code"] != "refused"]
    links = "\n".join(f'<a href="#{each["code"]}">{each["code"]}</a>' for each in sections)
    body = "\n".join(_section(each) for each in sections)
    return f"{_HEAD.format(style=_STYLE)}<nav>\n{links}\n</nav>\n<main>\n{body}\n</main>\n</html>\n"


def _section(section: re.Match[str]) -> str:
    summary = _SUMMARY.fullmatch(section["summary"])
    assert summary is not None, section["summary"]
    # Links between pages of the documentation lead nowhere on an issuer: their text stays.
    prose = _LINK.sub(lambda link: link[1] or "", section["prose"])
    code, status = section["code"], HTTPStatus(int(summary["status"]))
    return (
        f'<section id="{code}">\n<h2><code>{code}</code> <span>{status.value} {status.phrase}</span></h2>\n'
        f"<p>{escape(summary['hint'])}</p>\n{MarkdownIt().render(prose)}</section>"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
